"""Servers to measure: each in a process of its own, which tells its CPU time when asked."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE
from time import process_time
from typing import Any, Protocol

import anyio
from anyio import fail_after, open_process
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from ycore import bind

__all__ = ["Growth", "Memory", "Server", "serving"]

PATIENCE = 10


class Memory:
    """The resident memory of a process, in bytes; on Linux only."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc", str(pid))

    @property
    def now(self) -> int:
        """What it is now."""
        return self._read("VmRSS")

    @contextmanager
    def growing(self) -> Iterator[Growth]:
        """Measure by how much it grows in a block; the result is there once that has ended."""
        # Lets the peak begin anew: see proc_pid_clear_refs(5).
        (self._folder / "clear_refs").write_text("5")
        before, growth = self.now, Growth()
        yield growth
        growth.peak = self._read("VmHWM") - before

    def _read(self, field: str) -> int:
        for line in (self._folder / "status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return int(value.removesuffix("kB")) * 1024
        raise LookupError(field)


@dataclass
class Growth:
    """By how much the memory of a process has grown, in bytes."""

    peak: int = 0
    """At most."""


class Server(Protocol):
    """A running server."""

    options: dict[str, Any]
    """What a client needs to find it."""

    memory: Memory
    """The memory of the server's process."""

    async def cpu(self) -> float:
        """Return the CPU time of the server's process until now, in seconds."""


@asynccontextmanager
async def serving(wire: str, backend: str = "asyncio", **options: Any) -> AsyncIterator[Server]:
    """Run a server: the memory wire's in this process, any other in a new one.

    Args:
        wire: The name of the wire.
        backend: The event loop that the new process runs on.
        options: Options of the server, which can be written as JSON.
    """
    if wire == "memory":
        async with bind(wire, **options):
            yield _ServerHere()
        return
    command = [sys.executable, str(Path(__file__)), wire, backend, json.dumps(options)]
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
        self.memory = Memory(os.getpid())

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
        self.memory = Memory(process.pid)

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


async def _serve(wire: str, given: dict[str, Any]) -> None:
    """Tell the port, then the CPU time for each line that comes, until no more can."""
    options: dict[str, Any] = {"host": "127.0.0.1", "port": 0, **given}
    async with bind(wire, **options) as server:
        print(getattr(server, "port", None), flush=True)
        async for _ in anyio.wrap_file(sys.stdin):
            print(process_time(), flush=True)


if __name__ == "__main__":
    anyio.run(_serve, sys.argv[1], json.loads(sys.argv[3]), backend=sys.argv[2])
