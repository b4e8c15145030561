"""What the providers of Yjs do, and tell their users, when the server is one of this project."""

from __future__ import annotations

import math
from functools import partial

import pytest
from anyio import TASK_STATUS_IGNORED, create_task_group, move_on_after
from anyio.abc import TaskStatus
from pycrdt import Text

from tests.yjs.node import Node
from tests.yjs.participants import TEXTS
from tests.yjs.servers import Servers
from ycore import Channel, Room, bind
from ycore.testing import until

pytestmark = pytest.mark.needs("node", "tests/yjs")

ROOM = "room"

IDLE = 46.0
"""A provider gives a server up that says nothing for 30 s, and looks every 3 s."""

QUIET = 1.0
"""Providers come back within 0.2 s when they do, in seconds."""

CONNECTING = [("status", "connecting"), ("status", "connected"), ("sync", True)]

FORBIDDEN, ROOM_CLOSED, GOING_AWAY = 4403, 1012, 1001

RECORD = """(() => {
    const [onSyncMessage] = provider.messageHandlers
    provider.messageHandlers[0] = (encoder, decoder, ...others) => {
        provider.received.push(decoder.arr)
        onSyncMessage(encoder, decoder, ...others)
    }
    provider.received = []
    provider.sent = []
    doc.on('update', (update, origin) => origin !== provider && provider.sent.push(update))
})()"""
"""Keep the sync messages that arrive from now on, and the updates that leave."""


class ClosingRoom(Room):
    """A room that closes its first client with a code."""

    def __init__(self, id: str, *, code: int) -> None:  # noqa: A002
        super().__init__(id)
        self._code: int | None = code

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        if self._code is None:
            await super().serve(client, task_status=task_status)
        else:
            code, self._code = self._code, None
            await client.aclose(code, "by the test")


async def test_connecting_and_disconnecting(node: Node, servers: Servers, generation: str) -> None:
    client = await node.open(generation, servers.url, ROOM)
    await client.until_synced()
    assert client.events == CONNECTING
    await client.disconnect()
    disconnecting = [("connection-close", None), ("sync", False), ("status", "disconnected")]
    assert client.events == [*CONNECTING, *disconnecting]
    await client.connect()
    await client.until_synced()
    assert client.events == [*CONNECTING, *disconnecting, *CONNECTING]


async def test_the_server_goes_away(node: Node, servers: Servers, generation: str) -> None:
    client = await node.open(generation, servers.url, ROOM)
    await client.until_synced()
    await servers.stop()
    # As long as somebody listens, who comes is told that the server goes.
    refused = f"connect ECONNREFUSED 127.0.0.1:{servers.port('websocket')}"
    await client.until_event("connection-error", refused)
    assert client.events[: len(CONNECTING) + 4] == [
        *CONNECTING,
        ("connection-close", GOING_AWAY),
        ("sync", False),
        ("status", "disconnected"),
        ("status", "connecting"),
    ]
    await servers.start()
    await client.until_synced()
    assert client.events[-len(CONNECTING) :] == CONNECTING


async def test_a_client_that_says_nothing_stays_connected(node: Node, servers: Servers) -> None:
    async def idle(generation: str) -> None:
        client = await node.open(generation, servers.url, ROOM)
        await client.evaluate("awareness.setLocalState(null)")
        await client.until_synced()
        with move_on_after(IDLE):
            await client.until_event("connection-close", bound=math.inf)
        assert client.events == CONNECTING

    async with create_task_group() as tasks:
        tasks.start_soon(idle, "13")
        tasks.start_soon(idle, "14")


async def test_every_edit_is_echoed(node: Node, servers: Servers, generation: str) -> None:
    """Nothing else tells a provider that an edit has arrived."""
    text = TEXTS[generation]
    client = await node.open(generation, servers.url, ROOM)
    await client.until_synced()
    await client.evaluate(RECORD)
    room = await servers.rooms.get(ROOM)
    text_of_room = room.doc.get("text", type=Text)
    for letter in "cba":
        await client.evaluate(f"{text}.insert(0, letter)", letter=letter)
        await until(room.doc, lambda: str(text_of_room).startswith(letter))  # noqa: B023
    # This comes after the echoes.
    text_of_room += "!"
    await client.until(f"{text}.toString()", "abc!")
    sent = await client.evaluate("provider.sent")
    *echoes, _ = await client.evaluate("provider.received")
    assert len(sent) == 3
    assert echoes == [b"\0\2" + bytes([len(update)]) + update for update in sent]


async def test_a_permanent_close_code_stops_yjs_13(node: Node) -> None:
    async with bind("websocket", partial(ClosingRoom, code=FORBIDDEN), port=0) as server:
        client = await node.open("13", server.address, ROOM)
        await client.until_event("connection-close", FORBIDDEN)
        await client.until_event("closed", FORBIDDEN)
        with move_on_after(QUIET):
            await client.until_event("status", "connecting", bound=math.inf)
        assert client.events[-1] == ("closed", FORBIDDEN)
        await client.connect()
        await client.until_synced()


async def test_a_permanent_close_code_does_not_stop_yjs_14(node: Node) -> None:
    """The provider is older than the convention."""
    async with bind("websocket", partial(ClosingRoom, code=FORBIDDEN), port=0) as server:
        client = await node.open("14", server.address, ROOM)
        await client.until_event("connection-close", FORBIDDEN)
        await client.until_synced()


async def test_a_transient_close_code_brings_clients_back(node: Node, generation: str) -> None:
    async with bind("websocket", partial(ClosingRoom, code=ROOM_CLOSED), port=0) as server:
        client = await node.open(generation, server.address, ROOM)
        await client.until_event("connection-close", ROOM_CLOSED)
        await client.until_synced()
        assert client.events[-len(CONNECTING) :] == CONNECTING
