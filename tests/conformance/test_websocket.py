from typing import Any

from anyio import connect_tcp

from ycore import ServerWire
from ycore.testing import WireConformance
from ywire_websocket import WebsocketServer

UPGRADE = (
    "GET /{room} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

BEGINNING = b"\x82\xfe\x03\xe8mask" + bytes(10)
"""Ten bytes of a binary message of a thousand (RFC 6455, section 5.2)."""


class TestWebsocket(WireConformance):
    wire = "websocket"
    backends = ("asyncio",)

    def server_options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": 0}

    def same_address(self, server: ServerWire) -> dict[str, Any]:
        assert isinstance(server, WebsocketServer)
        return {"port": server.port}

    def client_options(self, server: ServerWire) -> dict[str, Any]:
        return {"host": "127.0.0.1", **self.same_address(server)}

    async def cut_in_mid_message(self, server: ServerWire, id: str) -> None:  # noqa: A002
        async with await connect_tcp("127.0.0.1", self.same_address(server)["port"]) as stream:
            await stream.send(UPGRADE.format(room=id).encode())
            assert b" 101 " in await stream.receive()
            await stream.send(BEGINNING)
