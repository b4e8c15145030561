"""Servers in processes of their own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from signal import Signals
from subprocess import DEVNULL
from tempfile import TemporaryFile
from typing import IO

from anyio import fail_after, open_process
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.life.guest import PATIENCE

__all__ = ["Program", "Remote", "running"]


@dataclass(frozen=True)
class Remote:
    """Where a server is that another process runs."""

    port: int


class Program:
    """A server while its process runs."""

    def __init__(self, process: Process, errors: IO[bytes]) -> None:
        assert process.stdout is not None
        self.servers: dict[str, Remote] = {}
        """Where clients find it, by the name of the wire."""
        self._process = process
        self._out = BufferedByteReceiveStream(process.stdout)
        self._errors = errors

    async def start(self, wires: Sequence[str]) -> None:
        """Wait until it serves."""
        for wire in wires:
            with fail_after(PATIENCE):
                line = (await self._out.receive_until(b"\n", 1000)).decode()
            found = re.fullmatch(rf"serving {wire} on \w+://[\d.]+:(\d+)/?", line)
            assert found, line
            self.servers[wire] = Remote(int(found[1]))

    def send(self, number: Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def end(self) -> int:
        """Wait for its end; return its exit code."""
        with fail_after(PATIENCE):
            return await self._process.wait()

    async def output(self) -> str:
        """Return what it has printed since it serves."""
        return b"".join([chunk async for chunk in self._out]).decode()

    def errors(self) -> str:
        """Return what it has written to standard error."""
        self._errors.seek(0)
        return self._errors.read().decode()


@asynccontextmanager
async def running(command: Sequence[str], wires: Sequence[str]) -> AsyncIterator[Program]:
    """Run a Python program that serves some wires; it is killed if it still runs at the end."""
    # The measuring of coverage would have its say on standard error.
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    with TemporaryFile() as errors:
        async with await open_process(
            [sys.executable, *command], stdin=DEVNULL, stderr=errors, env=environment
        ) as process:
            program = Program(process, errors)
            try:
                await program.start(wires)
                yield program
            finally:
                if process.returncode is None:
                    process.kill()
