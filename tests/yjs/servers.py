"""Servers of the same rooms on two wires, which can go away and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar

from anyio.abc import TaskGroup
from starlette.applications import Starlette
from starlette.routing import Mount

from tests.asgi.under_uvicorn import UnderUvicorn
from ycore import ClientWire, Rooms, ServerWire, bind, connect
from ycore.tasks import background_tasks
from ycore.testing.harness import Running

__all__ = ["PATH", "WEBSOCKET_SERVERS", "Servers", "run_servers"]

PATH = "/rooms"
"""Where the rooms are on websockets."""


class UnderStarlette(UnderUvicorn):
    """Rooms below a path of an application of Starlette."""

    uvicorn_options: ClassVar[dict[str, Any]] = {"timeout_graceful_shutdown": 5}

    def application(self) -> Starlette:
        return Starlette(routes=[Mount(PATH, self)])


WEBSOCKET_SERVERS: dict[str, Callable[..., ServerWire]] = {
    "aiohttp": partial(bind, "websocket", path=PATH),
    "asgi": UnderStarlette,
}
"""What serves rooms on websockets."""


@asynccontextmanager
async def run_servers(kind: str = "aiohttp", **options: Any) -> AsyncIterator[Servers]:
    """Serve rooms on both wires for the duration of the block.

    Args:
        kind: One of the `WEBSOCKET_SERVERS`.
        options: Options that the servers of both wires take.
    """
    async with Rooms() as rooms, Rooms() as fresh, background_tasks() as tasks:
        servers = Servers(rooms, fresh, tasks, WEBSOCKET_SERVERS[kind], options)
        await servers.start()
        yield servers
        await servers.stop()


class Servers:
    """Servers of the same rooms on the wires "websocket" and "zmq"."""

    def __init__(
        self,
        rooms: Rooms,
        fresh: Rooms,
        tasks: TaskGroup,
        make_websocket_server: Callable[..., ServerWire],
        options: dict[str, Any],
    ) -> None:
        self.rooms = rooms
        self._fresh = fresh
        self._tasks = tasks
        self._makers: dict[str, Callable[..., ServerWire]] = {
            "websocket": make_websocket_server,
            "zmq": partial(bind, "zmq"),
        }
        self._options = options
        self._ports = {"websocket": 0, "zmq": 0}
        self._running: list[Running] = []

    @property
    def url(self) -> str:
        """Where Yjs clients connect to."""
        return f"ws://127.0.0.1:{self._ports['websocket']}{PATH}"

    def port(self, wire: str) -> int:
        """Return the port of one of the servers."""
        return self._ports[wire]

    def address(self, wire: str) -> dict[str, Any]:
        """Return the options that lead a Python client to one of the servers."""
        path = {"path": PATH} if wire == "websocket" else {}
        return {"port": self._ports[wire], **path}

    def connect(self, wire: str, **options: Any) -> ClientWire:
        """Make a Python client of one of the servers."""
        return connect(wire, **self.address(wire), **options)

    async def start(self) -> None:
        """Serve the rooms, on the ports of before if there was a before."""
        for wire, port in self._ports.items():
            running = Running(self._makers[wire](rooms=self.rooms, port=port, **self._options))
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
