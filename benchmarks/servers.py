"""Servers to measure: each in a process of its own, which tells its CPU time when asked."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from time import process_time
from typing import Any, Protocol

import anyio
from anyio import fail_after, open_process
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from ycore import bind

__all__ = ["Server", "serving"]

PATIENCE = 10


class Server(Protocol):
    """A running server."""

    options: dict[str, Any]
    """What a client needs to find it."""

    async def cpu(self) -> float:
        """Return the CPU time of the server's process until now, in seconds."""


@asynccontextmanager
async def serving(wire: str) -> AsyncIterator[Server]:
    """Run a server: the memory wire's in this process, any other in a new one."""
    if wire == "memory":
        async with bind(wire):
            yield _ServerHere()
        return
    command = [sys.executable, str(Path(__file__)), wire]
    async with await open_process(command, stdin=PIPE, stderr=None) as process:
        try:
            server = _ServerProcess(process)
            await server.start()
            yield server
            await server.stop()
        finally:
            if process.returncode is None:
                process.kill()


class _ServerHere:
    def __init__(self) -> None:
        self.options: dict[str, Any] = {}

    async def cpu(self) -> float:
        return process_time()


class _ServerProcess:
    """Asks by a line each, and is answered by one."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._input = process.stdin
        self._output = BufferedByteReceiveStream(process.stdout)
        self.options: dict[str, Any] = {}

    async def start(self) -> None:
        self.options = {"host": "127.0.0.1", "port": int(await self._line())}

    async def cpu(self) -> float:
        await self._input.send(b"\n")
        return float(await self._line())

    async def stop(self) -> None:
        with fail_after(PATIENCE):
            await self._input.aclose()
            await self._process.wait()

    async def _line(self) -> bytes:
        with fail_after(PATIENCE):
            return await self._output.receive_until(b"\n", 100)


async def _serve(wire: str) -> None:
    """Tell the port, then the CPU time for each line that comes, until no more can."""
    options: dict[str, Any] = {"host": "127.0.0.1", "port": 0}
    async with bind(wire, **options) as server:
        print(getattr(server, "port", None), flush=True)
        async for _ in anyio.wrap_file(sys.stdin):
            print(process_time(), flush=True)


if __name__ == "__main__":
    anyio.run(_serve, sys.argv[1])
