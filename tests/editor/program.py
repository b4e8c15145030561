"""The example, started as its README says."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from anyio import fail_after, open_process
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream
from yarl import URL

__all__ = ["Program", "run_program"]

ROOT = Path(__file__).parents[2]

PATIENCE = 60.0
"""How long it may take to start, in seconds: it may have to build the page."""


class Program(NamedTuple):
    """The example while it runs."""

    process: Process
    url: URL
    endpoint: str
    """Where it serves the rooms over zmq."""

    async def end(self) -> int:
        """Tell it to end, and return its exit code."""
        self.process.terminate()
        with fail_after(PATIENCE):
            return await self.process.wait()


@asynccontextmanager
async def run_program(*arguments: str) -> AsyncIterator[Program]:
    command = [sys.executable, "-m", "examples.editor", "--port", "0", *arguments]
    async with await open_process(command, cwd=ROOT, stderr=None) as process:
        found = re.match(r"open (\S+) \(programs join on (\S+)\)", await _first_line(process))
        assert found is not None
        program = Program(process, URL(found[1]), found[2])
        yield program
        if process.returncode is None:
            assert await program.end() == 0


async def _first_line(process: Process) -> str:
    assert process.stdout is not None
    line = ""
    with fail_after(PATIENCE):
        async for text in TextReceiveStream(process.stdout):
            line += text
            if "\n" in line:
                break
    return line
