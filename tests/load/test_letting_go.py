"""A connection that is given up is let go of, with all that its client did not read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from anyio import fail_after
from pycrdt import Text

from tests.load.peers import ROOM, Peer
from tests.load.raw_websocket import RawWebsocket, open_raw_websocket
from tests.load.scene import Scene, serve

SIZE = 12_000_000
"""More than the systems of both ends take, in bytes."""

MALFORMED = b"\xff\xff"
"""The beginning of a frame with reserved bits (RFC 6455, section 5.2)."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def asking_for_much() -> AsyncIterator[tuple[Scene, RawWebsocket]]:
    """Give a server, and a client that has asked for a large document and has read nothing."""
    async with serve("websocket", heartbeat=0.3, close_timeout=0.3) as scene:
        scene.room.doc.get("text", type=Text).insert(0, "x" * SIZE)
        async with open_raw_websocket(ROOM, scene.address["port"]) as channel:
            await Peer(channel).ask()
            yield scene, channel


async def check_that_it_is_cut_off(scene: Scene, channel: RawWebsocket) -> None:
    peer = Peer(channel)
    with fail_after(10):
        await scene.room.first_departure.wait()
        # What the systems held comes still, and no more.
        await peer.receive_all()
    assert sum(map(len, peer.frames)) < SIZE


async def test_a_client_that_is_silent() -> None:
    async with asking_for_much() as (scene, channel):
        await check_that_it_is_cut_off(scene, channel)


async def test_a_client_that_breaks_the_protocol() -> None:
    async with asking_for_much() as (scene, channel):
        await channel.send_raw(MALFORMED)
        await check_that_it_is_cut_off(scene, channel)
