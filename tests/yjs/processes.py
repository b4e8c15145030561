"""Processes beside a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from anyio import fail_after, open_process
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

__all__ = ["PATIENCE", "Process", "read_line", "run_process"]

PATIENCE = 20.0
"""How long a process may take to start, or to do what takes no time to speak of, in seconds."""


@asynccontextmanager
async def run_process(*command: str) -> AsyncIterator[Process]:
    """Run a process for the duration of the block; what it prints on stderr is the test's."""
    async with await open_process(command, stderr=None) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()


async def read_line(process: Process) -> str:
    """Return the first line that a process prints."""
    assert process.stdout is not None
    with fail_after(PATIENCE):
        return (await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 1000)).decode()
