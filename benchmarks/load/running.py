"""Run scenarios against servers in turn, each time with a new server and a new load generator."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict, replace
from os import getloadavg
from pathlib import Path

from anyio import fail_after, run_process

from benchmarks.load import Task
from benchmarks.load.servers import serving
from benchmarks.peers.running import PeerError
from benchmarks.report.results import Comparison, Result, Run

__all__ = ["TIMEOUT", "measure", "raise_file_limit"]

TIMEOUT = 90.0
"""How long one run may take, in seconds."""

_ROOT = Path(__file__).resolve().parents[2]


async def measure(comparison: Comparison, rounds: int, patience: float = TIMEOUT) -> None:
    """Run everything once, then again: what disturbs a round disturbs all that are compared."""
    for number in range(1, rounds + 1):
        for result in comparison.results:
            told = f"{comparison.name}: round {number} of {rounds}, {result.label}"
            _tell(told)
            result.runs.append(await _run(result, patience))
    _tell("")


def raise_file_limit() -> None:
    """Allow as many connections as the system does: to this process, and to those it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _tell(line: str) -> None:
    """Show on a terminal what goes on, in place of what went on before."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


async def _run(result: Result, patience: float) -> Run:
    load_average = getloadavg()[0]
    try:
        async with serving(result.peer) as process:
            task = Task(result.peer, result.scenario, result.options)
            if process is not None:
                task = replace(task, pid=process.pid, port=process.port)
            with fail_after(patience):
                outcome = await _generate_load(task)
    except TimeoutError:
        return Run(load_average, faults=[f"it did not end in {patience:g} s"])
    except (PeerError, subprocess.CalledProcessError) as exc:
        return Run(load_average, faults=[str(exc)])
    return Run(load_average, **json.loads(outcome))


async def _generate_load(task: Task) -> bytes:
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(task))]
    done = await run_process(command, cwd=_ROOT, stderr=None)
    return done.stdout
