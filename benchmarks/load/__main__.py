"""Run one scenario against a server that is running: the process of the load generator.

Its argument is a `Task` as JSON; it prints an `Outcome` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

from benchmarks.load import Task
from benchmarks.load.outcome import Outcome
from benchmarks.load.scenarios import SCENARIOS
from benchmarks.load.servers import reach
from benchmarks.peers.running import Running


def main() -> None:
    """Run the scenario."""
    task = Task(**json.loads(sys.argv[1]))
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            outcome = runner.run(_run(task))
    except OSError as exc:
        outcome = Outcome(faults=[f"a client could not connect: {exc}"])
    print(json.dumps(asdict(outcome)))


async def _run(task: Task) -> Outcome:
    process = None if task.pid is None else Running(task.pid, task.port)
    async with reach(task.server, process) as target:
        return await SCENARIOS[task.scenario](**task.options).run(target)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    # Takes a third of the time, but is not there on every system.
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
