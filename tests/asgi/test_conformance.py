"""The suite of every wire, with an ASGI server in between."""

from __future__ import annotations

from typing import Any

from anyio import connect_tcp

from tests.asgi.under_uvicorn import UnderUvicorn
from ycore import Room, RoomFactory, ServerWire
from ycore.testing import WireConformance

UPGRADE = (
    "GET /{room} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

BEGINNING = b"\x82\xfe\x03\xe8mask" + bytes(10)
"""Ten bytes of a binary message of a thousand (RFC 6455, section 5.2)."""


class TestAsgi(WireConformance):
    wire = "websocket"
    backends = ("asyncio",)

    def make_server(self, room_factory: RoomFactory = Room, **options: Any) -> ServerWire:
        return UnderUvicorn(room_factory=room_factory, **options)

    def same_address(self, server: ServerWire) -> dict[str, Any]:
        assert isinstance(server, UnderUvicorn)
        return {"port": server.port}

    def client_options(self, server: ServerWire) -> dict[str, Any]:
        return self.same_address(server)

    async def cut_in_mid_message(self, server: ServerWire, id: str) -> None:  # noqa: A002
        async with await connect_tcp("127.0.0.1", self.same_address(server)["port"]) as stream:
            await stream.send(UPGRADE.format(room=id).encode())
            assert b" 101 " in await stream.receive()
            await stream.send(BEGINNING)
