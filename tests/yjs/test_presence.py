"""A scripted scene: at every step everybody, and the room, sees who is there and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from signal import SIGCONT, SIGSTOP

import aiohttp
import pytest

from tests.yjs.guests import run_guest
from tests.yjs.node import Node
from tests.yjs.participants import join
from tests.yjs.scene import JOINED, ROOM, Scene, play, without
from tests.yjs.servers import Servers, run_servers
from ycore.protocol import AwarenessEntry, encode_awareness, encode_entries

pytestmark = pytest.mark.needs("node", "tests/yjs")

EVERY_KIND = pytest.mark.parametrize("kind", JOINED)
YJS = pytest.mark.parametrize("kind", ["yjs13", "yjs14"])

GUEST = {"guest": "👋", "cursor": None}

HEARTBEAT = 1.0
"""Who is silent for one and a half of it (on zmq for three of it) is gone, in seconds."""


@pytest.fixture
async def scene(servers: Servers, node: Node) -> AsyncIterator[Scene]:
    async with play(servers, node) as scene:
        yield scene


@EVERY_KIND
async def test_a_field_changes(scene: Scene, kind: str) -> None:
    await scene[kind].set_field("cursor", {"at": [None, "👋"]})
    await scene.shows({**JOINED, kind: {**JOINED[kind], "cursor": {"at": [None, "👋"]}}})


@EVERY_KIND
async def test_somebody_becomes_invisible_and_returns(scene: Scene, kind: str) -> None:
    await scene[kind].set_state(None)
    await scene.shows(without(kind))
    await scene[kind].set_state(GUEST)
    await scene.shows({**JOINED, kind: GUEST})


@EVERY_KIND
async def test_somebody_joins_late_and_leaves(
    scene: Scene, servers: Servers, node: Node, kind: str
) -> None:
    async with join(kind, servers, node, ROOM) as late:
        # Without waiting; to have said nothing yet is an empty state.
        assert await late.states() == {**scene.by_id(JOINED), late.id: {}}
        scene.watch("late", late)
        await late.set_state(GUEST)
        await scene.shows({**JOINED, "late": GUEST})
    await scene.shows(JOINED, but="late")


async def test_the_room_shows_a_state_of_its_own(
    scene: Scene, servers: Servers, node: Node
) -> None:
    room = await servers.rooms.get(ROOM)
    scene.introduce("room", room.doc.client_id)
    for state in (GUEST, {"busy": True}):
        room.awareness.set_local_state(state)
        await scene.shows({**JOINED, "room": state})
    async with join("yjs13", servers, node, ROOM) as late:
        scene.watch("late", late)
        await scene.shows({**JOINED, "room": {"busy": True}, "late": {}})
    room.awareness.set_local_state(None)
    await scene.shows(JOINED, but="late")


@EVERY_KIND
async def test_somebody_is_killed(scene: Scene, servers: Servers, kind: str) -> None:
    async with run_guest(kind, servers, ROOM, GUEST) as guest:
        scene.introduce("guest", guest.id)
        await scene.shows({**JOINED, "guest": GUEST})
        guest.process.kill()
        await scene.shows(JOINED)


@EVERY_KIND
async def test_somebody_is_frozen_and_thaws(node: Node, kind: str) -> None:
    async with (
        run_servers(heartbeat=HEARTBEAT) as servers,
        play(servers, node) as scene,
        run_guest(kind, servers, ROOM, GUEST) as guest,
    ):
        scene.introduce("guest", guest.id)
        await scene.shows({**JOINED, "guest": GUEST})
        guest.process.send_signal(SIGSTOP)
        await scene.shows(JOINED)
        guest.process.send_signal(SIGCONT)
        await scene.shows({**JOINED, "guest": GUEST})


@YJS
async def test_a_provider_disconnects_and_connects(scene: Scene, kind: str) -> None:
    # The provider of Yjs 14 takes in what still arrives after it has forgotten everybody.
    await scene.settle()
    await scene.yjs(kind).disconnect()
    await scene.shows(without(kind), but=kind)
    assert await scene[kind].states() == scene.by_id({kind: JOINED[kind]})
    await scene.yjs(kind).connect()
    await scene.shows(JOINED)


@YJS
async def test_much_changes_while_a_provider_is_disconnected(
    scene: Scene, servers: Servers, node: Node, kind: str
) -> None:
    async with join("websocket", servers, node, ROOM) as other:
        scene.watch("other", other)
        await other.set_state(GUEST)
        await scene.shows({**JOINED, "other": GUEST})
        await scene.settle()
        await scene.yjs(kind).disconnect()
        await scene[kind].set_field("name", "changed")
    await scene["zmq"].set_state({"busy": True})
    await scene.yjs(kind).connect()
    now = {**JOINED, kind: {**JOINED[kind], "name": "changed"}, "zmq": {"busy": True}}
    await scene.shows(now, but="other")


async def test_providers_come_and_go_all_the_time(scene: Scene) -> None:
    for _ in range(5):
        for kind in ("yjs13", "yjs14"):
            await scene.yjs(kind).disconnect()
            await scene.yjs(kind).connect()
    await scene.shows(JOINED)


@pytest.mark.parametrize("rooms_are_lost", [False, True], ids=["kept", "lost"])
async def test_the_server_restarts(scene: Scene, servers: Servers, rooms_are_lost: bool) -> None:
    await servers.stop()
    if rooms_are_lost:
        servers.lose_rooms()
    await servers.start()
    await scene.shows(JOINED)


async def test_nobody_can_speak_for_another(scene: Scene, servers: Servers) -> None:
    ids = list(scene.by_id(JOINED))
    forged = [
        AwarenessEntry(client, clock, state)
        for client in ids
        for clock in (1, 2, 1000)
        for state in ("null", '"stolen"')
    ]
    introduction = AwarenessEntry(4242, 1, '"the thief"')
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{servers.url}/{ROOM}") as websocket,
    ):
        for entries in (forged, *[[entry] for entry in forged], [introduction]):
            await websocket.send_bytes(encode_awareness(encode_entries(entries)))
        scene.introduce("thief", introduction.client)
        await scene.shows({**JOINED, "thief": "the thief"})
    await scene.shows(JOINED)
