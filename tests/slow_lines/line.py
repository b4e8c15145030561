"""A slow line between a server and a client, and a document that takes its time on it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trustme
from anyio import current_time, fail_after
from pycrdt import Doc, Text

from tests.faults.wires import ROOM, join, port_of, serve
from tests.network.proxy import HOST, open_proxy
from ycore import ClientWire, Room, ServerWire

__all__ = ["HEARTBEAT", "LONG", "Line", "slow_line", "tls_contexts"]

HEARTBEAT = 0.4
"""In seconds; the line shares a busy machine, and must not be silent for longer."""

LAG = 0.02
"""So long it takes to carry what the system holds of a connection, in seconds: some ten KiB."""

LARGE = "x" * 3_000_000

LONG = 5 * HEARTBEAT
"""Who is silent for so long is given up on every wire, in seconds."""

PATIENCE = 30.0


class Line:
    """A slow line to a server, and the room behind it."""

    def __init__(self, wire: str, server: ServerWire, room: Room, port: int) -> None:
        """Make a line; see `slow_line`."""
        self.server = server
        self.room = room
        self._wire = wire
        self._port = port

    def join(self, **options: Any) -> ClientWire:
        """Make a client at the other end of the line."""
        defaults = {"connect_timeout": PATIENCE, "heartbeat": HEARTBEAT}
        return join(self._wire, self._port, **{**defaults, **options})

    async def receive_a_large_document(self, **options: Any) -> None:
        """Have a client that joins receive what is in the room, by one connection."""
        _text_of(self.room.doc).insert(0, LARGE)
        start = current_time()
        async with self.join(**options) as client:
            assert current_time() - start > LONG
            assert str(_text_of(client.doc)) == LARGE
            # What was on its way arrives also from a server that has given up.
            _text_of(client.doc).insert(0, "still here: ")
            with fail_after(PATIENCE):
                await client.flush()
        assert self.server.stats().connections == 1

    async def send_a_large_document(self, **options: Any) -> None:
        """Have a client send what it writes, by one connection."""
        async with self.join(**options) as client:
            _text_of(client.doc).insert(0, LARGE)
            start = current_time()
            with fail_after(PATIENCE):
                await client.flush()
            assert current_time() - start > LONG
            assert str(_text_of(self.room.doc)) == LARGE
        assert self.server.stats().connections == 1


@asynccontextmanager
async def slow_line(
    wire: str, *, heartbeat: float = HEARTBEAT, **options: Any
) -> AsyncIterator[Line]:
    """Have a server at the other end of a slow line; the options are its own."""
    async with (
        serve(wire, heartbeat=heartbeat, **options) as server,
        server.rooms.join(ROOM) as room,
        open_proxy(port_of(server), lag=LAG) as proxy,
    ):
        yield Line(wire, server, room, proxy.port)


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return what a server and a client need that trusts it."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def _text_of(doc: Doc[Any]) -> Text:
    text: Text = doc.get("text", type=Text)
    return text
