"""Rooms whose own code reads what Yjs clients write."""

from __future__ import annotations

from importlib.metadata import version

import anyio
import pytest
from anyio.abc import TaskStatus
from pycrdt import XmlFragment

from tests.yjs.node import Node
from ycore import Room, bind

pytestmark = pytest.mark.needs("node", "tests/yjs")

ROOM_CLOSED = 1012


class ReadingRoom(Room):
    """A room that looks at the first node of its document after every change."""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        self.task_group.start_soon(self._read)
        await super().run(task_status=task_status)

    async def _read(self) -> None:
        fragment = self.doc.get("root", type=XmlFragment)
        async with self.doc.events() as events:
            async for _ in events:
                fragment.children[0]


@pytest.mark.skipif(version("pycrdt") != "0.14.13", reason="tells about this version")
async def test_a_panic_of_pycrdt_in_a_room_is_that_rooms(node: Node) -> None:
    """Text where a node is expected makes pycrdt panic, which is no `Exception`."""
    async with bind("websocket", ReadingRoom, port=0) as server:
        writer = await node.open("13", server.address, "room")
        other = await node.open("13", server.address, "other")
        await writer.until_synced()
        await other.until_synced()
        await writer.evaluate("doc.getText('root').insert(0, 'text')")
        await writer.until_event("connection-close", ROOM_CLOSED)
        assert other.events[-1] == ("sync", True)
