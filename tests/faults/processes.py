"""A server in a process of its own, which can be killed and started again."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from anyio import CancelScope, fail_after, open_process
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.faults.wires import HEARTBEAT, join
from ycore import ClientWire

__all__ = ["ServerProcess", "serving_in_a_process"]

PROGRAM = Path(__file__).with_name("server.py")

START = 60.0
"""How long a process may take to start on a busy machine, in seconds."""

PATIENCE = 20.0


@asynccontextmanager
async def serving_in_a_process(
    wire: str, event_loop: str, *, heartbeat: float = HEARTBEAT
) -> AsyncIterator[ServerProcess]:
    """Run a server in a process of its own for the duration of the block, or until it is killed."""
    server = ServerProcess(wire, event_loop, heartbeat)
    try:
        await server.start()
        await server.prepare()
        yield server
    finally:
        with CancelScope(shield=True):
            await server.aclose()


class ServerProcess:
    """A server in a process of its own."""

    def __init__(self, wire: str, event_loop: str, heartbeat: float) -> None:
        """Make a server; see `serving_in_a_process`."""
        self._wire = wire
        self._event_loop = event_loop
        self._heartbeat = heartbeat
        self._port = 0
        self._running: Process | None = None
        self._prepared: Process | None = None

    def join(self, **options: Any) -> ClientWire:
        """Make a client."""
        return join(self._wire, self._port, heartbeat=self._heartbeat, **options)

    async def prepare(self) -> None:
        """Have a process ready for the next start, which takes no time then."""
        options = [self._wire, self._event_loop, str(self._heartbeat)]
        command = [sys.executable, str(PROGRAM), *options]
        self._prepared = await open_process(command, stdin=PIPE, stderr=None)

    async def start(self, edits: Sequence[str] = ()) -> None:
        """Start, where it was before if there was a before.

        Args:
            edits: What the server's side has written into each room before anybody comes.
        """
        if self._prepared is None:
            await self.prepare()
        assert self._prepared is not None
        self._running, self._prepared = self._prepared, None
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        await self._running.stdin.send(json.dumps([self._port, edits]).encode() + b"\n")
        with fail_after(START):
            out = BufferedByteReceiveStream(self._running.stdout)
            self._port = int(await out.receive_until(b"\n", 1000))

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._running is not None:
            process, self._running = self._running, None
            await _kill(process)

    async def aclose(self) -> None:
        """Leave no process behind."""
        await self.kill()
        if self._prepared is not None:
            await _kill(self._prepared)


async def _kill(process: Process) -> None:
    process.kill()
    with fail_after(PATIENCE):
        await process.aclose()
