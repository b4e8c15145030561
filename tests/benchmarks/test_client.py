from __future__ import annotations

from typing import Any, cast

import pytest

from benchmarks.load.websocket_client import WebsocketClient
from benchmarks.peers.dialects import Yjs

RESPONSE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


class Transport:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def abort(self) -> None:
        self.is_aborted = True


class Scene:
    """A client, and the server's end of its connection."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.client = WebsocketClient("one", "a room", Yjs(), 80, bytearray(1000))
        self.client.connection_made(cast(Any, self.transport))

    def tell(self, data: bytes) -> None:
        self.client.get_buffer(-1)[: len(data)] = data
        self.client.buffer_updated(len(data))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_a_response_in_parts(scene: Scene) -> None:
    assert scene.transport.sent[0].startswith(b"GET /a%20room HTTP/1.1\r\n")
    scene.tell(RESPONSE[:20])
    assert not scene.client.opened.done()
    scene.tell(RESPONSE[20:] + b"\x82\x01a")
    await scene.client.opened
    assert list(scene.client.messages()) == [(b"a", 3)]


async def test_a_refusal(scene: Scene) -> None:
    scene.tell(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    assert scene.transport.is_aborted
    with pytest.raises(ConnectionError, match="403 Forbidden"):
        await scene.client.opened


async def test_a_marker_in_parts(scene: Scene) -> None:
    scene.tell(RESPONSE)
    found = scene.client.expect(b"marker")
    scene.tell(b"..mar")
    assert not found.done()
    scene.tell(b"ker..")
    assert found.done()


async def test_a_marker_that_was_there_before(scene: Scene) -> None:
    scene.tell(RESPONSE + b"..marker..")
    assert scene.client.expect(b"marker").done()


async def test_nobody_waits_for_who_is_gone(scene: Scene) -> None:
    scene.tell(RESPONSE)
    found = scene.client.expect(b"marker")
    scene.client.connection_lost(ConnectionResetError("gone"))
    assert found.done()
    assert scene.client.expect(b"another").done()
    assert scene.client.lost == "ConnectionResetError: gone"


async def test_a_ping_is_answered(scene: Scene) -> None:
    scene.tell(RESPONSE)
    scene.tell(b"\x89\x02hi")
    assert scene.transport.sent[-1] == b"\x8a\x82\0\0\0\0hi"
    assert list(scene.client.messages()) == []


async def test_a_ping_behind_a_message_is_answered(scene: Scene) -> None:
    scene.tell(RESPONSE)
    scene.tell(b"\x82\x01a\x89\0")
    assert scene.transport.sent[-1] == b"\x8a\x80\0\0\0\0"


async def test_when_something_came(scene: Scene) -> None:
    scene.tell(RESPONSE)
    scene.client.stamps = [(3, 0.1), (10, 0.2), (11, 0.3)]
    assert [scene.client.arrival(end) for end in (2, 3, 4, 10, 11)] == [0.1, 0.1, 0.2, 0.2, 0.3]
