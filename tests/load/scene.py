"""A server beside the test, in the same event loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from anyio import Event
from anyio.abc import TaskStatus

from tests.load.peers import ROOM
from ycore import Channel, Room, ServerWire, bind
from ywire_websocket.addresses import bind_sockets

__all__ = ["SEND_BUFFER", "Scene", "WatchedRoom", "keep_send_buffers_small", "serve"]

SEND_BUFFER = 64 * 1024


class WatchedRoom(Room):
    """A room that tells who has left it."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.first_departure = Event()

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        try:
            await super().serve(client, task_status=task_status)
        finally:
            self.first_departure.set()


class Scene:
    """A server and its one room."""

    def __init__(self, server: ServerWire, room: WatchedRoom) -> None:
        self.room = room
        # A wire's own; that of the memory wire has none.
        port = getattr(server, "port", None)
        self.address: Mapping[str, Any] = {} if port is None else {"port": port}
        """What a client needs to find the server."""


@asynccontextmanager
async def serve(wire: str, **options: Any) -> AsyncIterator[Scene]:
    """Run a server of a wire for the duration of the block."""
    if wire != "memory":
        options["port"] = 0
    async with bind(wire, WatchedRoom, **options) as server, server.rooms.join(ROOM) as room:
        assert isinstance(room, WatchedRoom)
        yield Scene(server, room)


def keep_send_buffers_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system take little of what a websocket server sends: by default it is megabytes."""

    def bind_small_sockets(host: str, port: int) -> list[socket.socket]:
        sockets = bind_sockets(host, port)
        for listening in sockets:
            # What it accepts inherits it.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        return sockets

    monkeypatch.setattr("ywire_websocket.server.bind_sockets", bind_small_sockets)
