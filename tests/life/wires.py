"""The wires, and what their clients need to find their servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.life.guest import Guest
from ycore import ClientWire, Room, ServerWire, bind, connect
from ycore.rooms import RoomFactory

__all__ = ["WIRES", "Wire"]

ROOM = "room"


@dataclass(frozen=True)
class Wire:
    """A wire on an event loop that it runs on."""

    name: str
    backend: str

    def __str__(self) -> str:
        return f"{self.name}-{self.backend}"

    def server(self, room_factory: RoomFactory = Room, **options: Any) -> ServerWire:
        """Make a server with an address of its own."""
        address: dict[str, Any] = {} if self.name == "memory" else {"port": 0}
        return bind(self.name, room_factory, **address, **options)

    def client(self, server: object, id: str = ROOM, **options: Any) -> ClientWire:  # noqa: A002
        """Make a client of a server, in a room; the server may be in another process."""
        return connect(self.name, id=id, **address_of(server), **options)

    @asynccontextmanager
    async def guest(self, server: object, id: str = ROOM) -> AsyncIterator[Guest]:  # noqa: A002
        """Connect somebody who does nothing by itself; it has what the room has."""
        client = self.client(server, id)
        async with client.open() as channel:
            channel.limits = client.limits
            guest = Guest(channel)
            await guest.join()
            yield guest


def address_of(server: object) -> dict[str, Any]:
    """Return the options that lead a client to a server."""
    return {name: getattr(server, name) for name in ("name", "port") if hasattr(server, name)}


WIRES = [
    Wire("memory", "asyncio"),
    Wire("memory", "trio"),
    Wire("zmq", "asyncio"),
    Wire("zmq", "trio"),
    Wire("websocket", "asyncio"),
]
