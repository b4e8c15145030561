"""Pings that cannot be answered any more, for the connection has ended behind them."""

from __future__ import annotations

from typing import Any

import pytest
from anyio import BrokenResourceError
from anyio.lowlevel import checkpoint

from tests.faults.wires import port_of
from ycore import ServerWire
from ycore.testing.harness import WireSuite
from ywire_websocket.channel import WebsocketChannel


class TestPings(WireSuite):
    wire = "websocket"
    backends = ("asyncio",)

    def server_options(self) -> dict[str, Any]:
        return {"port": 0}

    def client_options(self, server: ServerWire) -> dict[str, Any]:
        return {"port": port_of(server)}

    @pytest.mark.parametrize("side", ["client", "server"])
    async def test_what_came_behind_a_ping_is_received(self, side: str) -> None:
        """A ping is answered when it is reached, which may be too late."""
        async with self.connected() as pair:
            receiver, sender = pair.seen_from(side)
            assert isinstance(receiver, WebsocketChannel)
            assert isinstance(sender, WebsocketChannel)
            await sender.send(b"before")
            await sender._socket.ping()
            await sender.send(b"behind")
            sender._abort()
            await until_broken(receiver)
            assert [await receiver.receive() for _ in range(2)] == [b"before", b"behind"]
            with pytest.raises(BrokenResourceError):
                await receiver.receive()


async def until_broken(channel: WebsocketChannel) -> None:
    """Wait until the end of a connection has been noticed; no event tells."""
    writer = channel._socket._writer
    assert writer is not None
    while not writer.transport.is_closing():
        await checkpoint()
