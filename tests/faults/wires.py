"""The wires, and how a server and a client of each find each other."""

from __future__ import annotations

from typing import Any

from ycore import ClientWire, Room, ServerWire, bind, connect
from ycore.rooms import RoomFactory

__all__ = [
    "HEARTBEAT",
    "NOTICE",
    "ROOM",
    "join",
    "port_of",
    "serve",
]

ROOM = "room"

HEARTBEAT = 0.2
"""In seconds; a websocket is given up after one and a half of it, a zmq peer after three."""

NOTICE = 10.0
"""How long noticing that somebody is gone may take on a busy machine, in seconds: it takes longer
with the heartbeat that is the default, and by what the sockets of zmq do by themselves."""


def serve(
    wire: str,
    room_factory: RoomFactory = Room,
    *,
    port: int = 0,
    heartbeat: float = HEARTBEAT,
    **options: Any,
) -> ServerWire:
    """Make a server."""
    if wire != "memory":
        options |= {"port": port, "heartbeat": heartbeat}
    return bind(wire, room_factory, **options)


def join(
    wire: str,
    port: int,
    *,
    id: str = ROOM,  # noqa: A002
    heartbeat: float = HEARTBEAT,
    **options: Any,
) -> ClientWire:
    """Make a client of the server at a port; the memory wire has one server, and no ports."""
    if wire != "memory":
        options["port"] = port
    if wire == "websocket":
        # The zmq wire's server tells it.
        options["heartbeat"] = heartbeat
    return connect(wire, id=id, **options)


def port_of(server: ServerWire) -> int:
    """Return the port of a server that is entered; 0 if it has none."""
    port: int = getattr(server, "port", 0)
    return port
