"""Servers of the same rooms on two wires, which can go away and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio.abc import TaskGroup

from ycore import ClientWire, Rooms, bind, connect
from ycore.tasks import background_tasks
from ycore.testing.harness import Running

__all__ = ["Servers", "run_servers"]


@asynccontextmanager
async def run_servers(**options: Any) -> AsyncIterator[Servers]:
    """Serve rooms on both wires for the duration of the block.

    Args:
        options: Options that the servers of both wires take.
    """
    async with Rooms() as rooms, Rooms() as fresh, background_tasks() as tasks:
        servers = Servers(rooms, fresh, tasks, options)
        await servers.start()
        yield servers
        await servers.stop()


class Servers:
    """Servers of the same rooms on the wires "websocket" and "zmq"."""

    def __init__(
        self, rooms: Rooms, fresh: Rooms, tasks: TaskGroup, options: dict[str, Any]
    ) -> None:
        self.rooms = rooms
        self._fresh = fresh
        self._tasks = tasks
        self._options = options
        self._ports = {"websocket": 0, "zmq": 0}
        self._running: list[Running] = []

    @property
    def url(self) -> str:
        """Where Yjs clients connect to."""
        return f"ws://127.0.0.1:{self._ports['websocket']}"

    def port(self, wire: str) -> int:
        """Return the port of one of the servers."""
        return self._ports[wire]

    def connect(self, wire: str, **options: Any) -> ClientWire:
        """Make a Python client of one of the servers."""
        return connect(wire, port=self._ports[wire], **options)

    async def start(self) -> None:
        """Serve the rooms, on the ports of before if there was a before."""
        for wire, port in self._ports.items():
            running = Running(bind(wire, rooms=self.rooms, port=port, **self._options))
            await self._tasks.start(running.run)
            self._running.append(running)
            self._ports[wire] = getattr(running.server, "port")  # noqa: B009 - a wire's own

    async def stop(self) -> None:
        """Go away; the rooms live on as long as rooms do without clients."""
        while self._running:
            await self._running.pop().stop()

    def lose_rooms(self) -> None:
        """Forget what was in the rooms; to be called while nobody serves them."""
        self.rooms = self._fresh
