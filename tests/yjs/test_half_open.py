"""A provider comes back before the server knows that its old connection is dead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pycrdt import Awareness

from tests.network.proxy import open_proxy
from tests.yjs.node import Node
from tests.yjs.participants import PythonParticipant, YjsParticipant
from tests.yjs.scene import JOINED, ROOM, Scene, play
from tests.yjs.servers import PATH, run_servers

pytestmark = pytest.mark.needs("node", "tests/yjs")

HEARTBEAT = 2.5
"""In seconds; the server gives the old connection up after half to one and a half of it, when the
provider has to be back."""

BEFORE, AFTER = {"cursor": 1}, {"cursor": {"näme": [2]}}

WATCH = """(() => {
    awareness.on('update', () => awareness.seen.push(awareness.getStates().has(id)))
    awareness.seen = []
})()"""
"""Note at every change whether somebody is there."""


async def test_a_provider_stays_visible(node: Node, generation: str) -> None:
    async with (
        run_servers(heartbeat=HEARTBEAT) as servers,
        play(servers, node) as scene,
        open_proxy(servers.port("websocket")) as proxy,
    ):
        provider = await node.open(generation, f"ws://127.0.0.1:{proxy.port}{PATH}", ROOM)
        await provider.until_synced()
        ann = YjsParticipant(provider, generation)
        scene.watch("ann", ann)
        await ann.set_state(BEFORE)
        await scene.shows({**JOINED, "ann": BEFORE})
        async with always_seen(scene, ann.id):
            proxy.stall()
            # Another way to the server; on the old one not even its end arrives.
            await provider.evaluate("provider.serverUrl = url", url=servers.url)
            await provider.disconnect()
            await provider.connect()
            await provider.until_synced()
            await ann.set_state(AFTER)
            await ann.write("ab")
            for name in JOINED:
                assert await scene[name].read(2) == "ba"
            await scene.shows({**JOINED, "ann": AFTER})


@asynccontextmanager
async def always_seen(scene: Scene, id: int) -> AsyncIterator[None]:  # noqa: A002
    """Make sure that everybody else sees somebody at every moment of the block."""
    python: dict[str, list[bool]] = {}

    def watch(name: str, awareness: Awareness) -> None:
        seen = python[name] = []
        awareness.observe(lambda *_: seen.append(id in awareness.states))

    for name in JOINED:
        match scene[name]:
            case PythonParticipant(client=client):
                watch(name, client.awareness)
            case YjsParticipant(client=client):
                await client.evaluate(WATCH, id=id)
    yield
    for name in JOINED:
        match scene[name]:
            case YjsParticipant(client=client):
                seen = await client.evaluate("awareness.seen")
            case _:
                seen = python[name]
        assert seen
        assert all(seen), f"{name} did not see it: {seen}"
