"""Clients of Hocuspocus speak another protocol: each of their frames starts with a room's name.

So the length of the name, and its characters, come where other clients tell what they mean.
"""

from __future__ import annotations

import logging

import pytest

from tests.yjs.node import Node
from tests.yjs.samples import CONTENT, IN_PYTHON, IN_YJS
from tests.yjs.servers import Servers

pytestmark = pytest.mark.needs("node", "tests/yjs")

ROOM = "room"

LENGTHS = [0, 1, 2, 3, 4, 10, 102, 127, 128, 130]
"""With three characters the frame starts like a query for awareness, with 102 like an echo."""

NEVER = 3_600_000
"""When to come back, in milliseconds."""

PROTOCOL_ERRORS = (1002, 1007)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("token", ["", "token" * 100], ids=["public", "token"])
async def test_hocuspocus_is_refused(
    node: Node, servers: Servers, caplog: pytest.LogCaptureFixture, length: int, token: str
) -> None:
    caplog.set_level(logging.WARNING, "ycore")
    async with servers.connect("websocket", id=ROOM) as client:
        yjs = await node.open("13", servers.url, ROOM)
        stranger = await node.open(
            "hocuspocus", f"{servers.url}/{ROOM}", "x" * length, token=token, delay=NEVER
        )
        await stranger.until_event("close")
        (code,) = [detail for event, detail in stranger.events if event == "close"]
        assert code in PROTOCOL_ERRORS
        (record,) = caplog.records
        assert ROOM in record.getMessage()
        IN_PYTHON["text"].write(client.doc, CONTENT["text"])
        await yjs.until(IN_YJS["13"]["text"].read, CONTENT["text"])
