"""The suite of every wire, with an ASGI server in between."""

from __future__ import annotations

import asyncio
from typing import Any, Unpack

import uvicorn
from anyio import CancelScope, connect_tcp, sleep_forever
from anyio.abc import TaskStatus

from ycore import Room, RoomFactory, ServerOptions, ServerWire
from ycore.testing import WireConformance
from ywire_websocket import AsgiServer
from ywire_websocket.addresses import bind_sockets

UPGRADE = (
    "GET /{room} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

BEGINNING = b"\x82\xfe\x03\xe8mask" + bytes(10)
"""Ten bytes of a binary message of a thousand (RFC 6455, section 5.2)."""


class UnderUvicorn(AsgiServer):
    """An `AsgiServer` that brings its ASGI server along, as the suite expects of a server."""

    def __init__(self, *, port: int = 0, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self.port = port

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        (sock,) = bind_sockets("127.0.0.1", self.port)
        self.port = sock.getsockname()[1]
        config = uvicorn.Config(
            self,
            log_config=None,
            lifespan="off",
            # Larger than any limit: it is the channel that has to hold them.
            ws_max_size=1 << 30,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            await super().listen(task_status=task_status)
            await sleep_forever()
        finally:
            server.should_exit = True
            with CancelScope(shield=True):
                await task
            sock.close()


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
