"""A client that sends as fast as it can, and others who type."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from anyio import create_task_group, fail_after
from pycrdt import Doc, Map, Text, TransactionEvent

from tests.load.peers import ROOM, Peer, join
from tests.load.scene import serve
from ycore import ClientWire, connect
from ycore.protocol import encode_update
from ycore.testing import until

KEYSTROKES = 15

FOR_A_LETTER = {"memory": 1_000, "websocket": 8_000, "zmq": 2_000}
"""So many changes may be sent while a letter gets through: some three times as many as are. All is
in one event loop: how fast the machine is makes no difference."""


class Flood:
    """Sends changes of 1 KB each until it is cancelled, which has to be before it has sent all."""

    def __init__(self, peer: Peer, size: int) -> None:
        self.sent = 0
        self._size = size
        self._peer = peer
        self._update = b""

    async def run(self) -> None:
        doc: Doc[Any] = Doc()
        subscription = doc.observe(self._take)
        values = doc.get("flood", type=Map)
        try:
            while self.sent < self._size:
                values["value"] = f"{self.sent}".ljust(1_000)
                await self._peer.send_at_once(encode_update(self._update))
                self.sent += 1
        finally:
            doc.unobserve(subscription)
        raise AssertionError(f"the others have had to wait for {self.sent} changes")

    def _take(self, event: TransactionEvent) -> None:
        self._update = event.update


async def type_and_see(writer: ClientWire, reader: ClientWire) -> None:
    """Write a letter when the last one has arrived."""
    written, read = (client.doc.get("text", type=Text) for client in (writer, reader))
    for count in range(1, KEYSTROKES + 1):
        written += "x"
        await until(reader.doc, lambda: len(read) == count, timeout=30)  # noqa: B023


@pytest.mark.parametrize("room", [ROOM, "another room"])
async def test_a_flood_starves_nobody(wire: str, room: str) -> None:
    """It ends when the others are done, not before."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        scene = await enter(serve(wire))
        peer = await enter(join(wire, scene.address))
        writer, reader = [await enter(connect(wire, id=room, **scene.address)) for _ in range(2)]
        flood = Flood(peer, KEYSTROKES * FOR_A_LETTER[wire])
        with fail_after(60):
            async with create_task_group() as tasks:
                tasks.start_soon(peer.read_on)
                tasks.start_soon(flood.run)
                await type_and_see(writer, reader)
                tasks.cancel_scope.cancel()
        assert flood.sent > KEYSTROKES
