"""Where a scene plays: a server of one wire on one event loop, and connections to it."""

from __future__ import annotations

import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from anyio import create_task_group, fail_after, move_on_after, open_process
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.fuzz.vitals import Report, Vitals, allocated
from ycore import ClientWire, Rooms, bind, connect

__all__ = ["CARRIERS", "ROOT", "Carrier", "Stage", "environment", "open_stage"]

ROOT = Path(__file__).resolve().parents[2]

PATIENCE = 20.0
"""How long what takes no time to speak of may take on a machine that is busy, in seconds."""


class Carrier(NamedTuple):
    """A wire and the event loop that both its ends run on."""

    wire: str
    loop: str

    def __str__(self) -> str:
        return f"{self.wire}-{self.loop}"


CARRIERS = [
    Carrier("memory", "asyncio"),
    Carrier("memory", "trio"),
    Carrier("websocket", "asyncio"),
    Carrier("zmq", "asyncio"),
    Carrier("zmq", "trio"),
]


def environment() -> dict[str, str]:
    """Return the environment for a process whose coverage is not measured: that takes time."""
    return {name: value for name, value in os.environ.items() if "COVERAGE" not in name}


class Stage(ABC):
    """A server and connections to it."""

    def __init__(self, wire: str, options: Mapping[str, Any]) -> None:
        self.wire = wire
        self.options = options
        """Where the server is, for clients."""

    def connect(self, room: str, **options: Any) -> ClientWire:
        """Make a client."""
        return connect(self.wire, id=room, **self.options, **options)

    @abstractmethod
    async def report(self) -> Report:
        """Return how the server's process is."""

    async def memory(self) -> int:
        """Return what is allocated in the processes of both ends, in KiB."""
        return (await self.report()).memory

    async def fate(self) -> str:
        """Return in words what has become of the server's process."""
        try:
            return "\n".join(["the server's process lives", *(await self.report()).complaints])
        except TimeoutError:
            return f"the server's process has not answered for {PATIENCE} s"


class LocalStage(Stage):
    """A server in this process."""

    def __init__(self, vitals: Vitals) -> None:
        super().__init__("memory", {})
        self._vitals = vitals

    async def report(self) -> Report:
        return self._vitals.report()


class RemoteStage(Stage):
    """A server in a process of its own, whose crash the clients survive."""

    def __init__(
        self, wire: str, port: int, process: Process, output: BufferedByteReceiveStream
    ) -> None:
        super().__init__(wire, {"port": port})
        self._process = process
        self._output = output

    async def report(self) -> Report:
        assert self._process.stdin is not None
        with fail_after(PATIENCE):
            await self._process.stdin.send(b"\n")
            return Report(*await _read_json(self._output))

    async def memory(self) -> int:
        return await super().memory() + allocated()

    async def fate(self) -> str:
        with move_on_after(1):
            code = await self._process.wait()
            how = signal.Signals(-code).name if code < 0 else f"code {code}"
            return f"the server's process has ended by {how}"
        return await super().fate()


@asynccontextmanager
async def open_stage(carrier: Carrier) -> AsyncIterator[Stage]:
    """Run a server for the duration of the block."""
    if carrier.wire == "memory":
        vitals = Vitals()
        async with Rooms(linger=0) as rooms, bind("memory", rooms=rooms):
            async with create_task_group() as tasks:
                tasks.start_soon(vitals.watch)
                yield LocalStage(vitals)
                tasks.cancel_scope.cancel()
        return
    command = [sys.executable, "-m", "tests.fuzz.server", *carrier]
    async with await open_process(command, stderr=None, cwd=ROOT, env=environment()) as process:
        try:
            assert process.stdout is not None
            output = BufferedByteReceiveStream(process.stdout)
            with fail_after(PATIENCE):
                port = await _read_json(output)
            yield RemoteStage(carrier.wire, port, process, output)
        finally:
            if process.returncode is None:
                process.kill()


async def _read_json(output: BufferedByteReceiveStream) -> Any:
    return json.loads(await output.receive_until(b"\n", 1_000_000))
