"""Clients that come back as y-websocket's do: with the clock they had, and knowing the others'."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from anyio import create_task_group, fail_after, sleep_forever
from anyio.abc import TaskStatus
from pycrdt import Awareness, Doc

from ycore import Channel, Room, ServerWire, bind, connect
from ycore.protocol import (
    AwarenessEntry,
    Kind,
    decode,
    decode_awareness,
    encode_awareness,
    encode_entries,
    encode_step1,
)
from ycore.replica import EMPTY_STATE
from ycore.testing import until


def states(awareness: Awareness) -> dict[int, Any]:
    return awareness.states


class YjsPresence:
    """The awareness half of a y-websocket client: it tells on all that is news to it."""

    def __init__(self, client: int) -> None:
        self.awareness = Awareness(Doc(client_id=client))
        self.told: list[AwarenessEntry] = []
        """What the server has told of this client."""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        async with connect("memory").open() as channel, create_task_group() as tasks:
            subscription = self.awareness.observe(partial(self._tell, channel))
            await channel.send(encode_step1(EMPTY_STATE))
            self._send(channel, [self.awareness.client_id])
            tasks.start_soon(self._listen, channel)
            try:
                yield
            finally:
                self.awareness.unobserve(subscription)
                tasks.cancel_scope.cancel()
        others = set(states(self.awareness)) - {self.awareness.client_id}
        self.awareness.remove_awareness_states(list(others), "disconnected")

    async def _listen(self, channel: Channel) -> None:
        async for frame in channel:
            for kind, payload in decode(frame):
                if kind is Kind.AWARENESS:
                    me = self.awareness.client_id
                    self.told += [e for e in decode_awareness(payload) if e.client == me]
                    self.awareness.apply_awareness_update(payload, "server")

    def _tell(self, channel: Channel, topic: str, event: tuple[dict[str, Any], Any]) -> None:
        if topic == "update":
            self._send(channel, [client for changed in event[0].values() for client in changed])

    def _send(self, channel: Channel, clients: list[int]) -> None:
        assert channel.send_nowait(
            encode_awareness(self.awareness.encode_awareness_update(clients))
        )


@pytest.fixture
async def server(anyio_backend: Any) -> AsyncIterator[ServerWire]:
    async with bind("memory") as server:
        yield server


async def sees(watcher: Awareness, expected: Callable[[], dict[int, Any]]) -> None:
    await until(watcher, lambda: states(watcher) == expected(), timeout=5)


async def heard_so_far(channel: Channel) -> list[AwarenessEntry]:
    """Return what awareness the server has told until it has taken in all that was sent."""
    await channel.send(b"\x66\x01x")
    heard: list[AwarenessEntry] = []
    with fail_after(5):
        async for frame in channel:
            if frame[0] == 0x66:
                break
            for kind, payload in decode(frame):
                if kind is Kind.AWARENESS:
                    heard += decode_awareness(payload)
    return heard


async def test_a_client_is_seen_with_its_first_state(server: ServerWire) -> None:
    """Yjs's first state has clock 0, with which no state counts."""
    ann, room = YjsPresence(1), await server.rooms.get("")
    assert ann.awareness.meta[1]["clock"] == 0
    async with ann.connected():
        await sees(room.awareness, lambda: {1: {}})
    assert ann.told[0] == AwarenessEntry(1, 1, "{}")


async def test_who_comes_back_is_seen_and_sees(server: ServerWire) -> None:
    ann, bob = YjsPresence(1), YjsPresence(2)
    ann.awareness.set_local_state({"name": "Ann"})
    bob.awareness.set_local_state({"name": "Bob", "cursor": None})
    both = {1: {"name": "Ann"}, 2: {"name": "Bob", "cursor": None}}
    async with ann.connected():
        async with bob.connected():
            await sees(ann.awareness, lambda: both)
            await sees(bob.awareness, lambda: both)
        await sees(ann.awareness, lambda: {1: both[1]})
        assert states(bob.awareness) == {2: both[2]}
        async with bob.connected():
            await sees(ann.awareness, lambda: both)
            await sees(bob.awareness, lambda: both)


async def test_who_comes_back_is_told_who_has_left_meanwhile(server: ServerWire) -> None:
    """It may have kept a state, or have taken one in when it had disconnected."""
    ann, bob = YjsPresence(1), YjsPresence(2)
    async with bob.connected():
        async with ann.connected():
            await sees(bob.awareness, lambda: {1: {}, 2: {}})
            clock = bob.awareness.meta[1]["clock"]
        await sees(bob.awareness, lambda: {2: {}})
    entry = AwarenessEntry(1, clock, "{}")
    bob.awareness.meta.pop(1)
    bob.awareness.apply_awareness_update(encode_entries([entry]), "too late")
    assert states(bob.awareness) == {1: {}, 2: {}}
    async with bob.connected():
        await sees(bob.awareness, lambda: {2: {}})


async def test_who_was_invisible_at_first_is_seen_by_who_comes_back(server: ServerWire) -> None:
    """What it told first was what it had heard of others."""
    ann, bob = YjsPresence(1), YjsPresence(2)
    ann.awareness.set_local_state(None)
    async with ann.connected():
        async with bob.connected():
            await sees(ann.awareness, lambda: {2: {}})
            ann.awareness.set_local_state({"name": "Ann"})
            await sees(bob.awareness, lambda: {1: {"name": "Ann"}, 2: {}})
        await sees(ann.awareness, lambda: {1: {"name": "Ann"}})
        async with bob.connected():
            await sees(bob.awareness, lambda: {1: {"name": "Ann"}, 2: {}})


async def test_nobody_is_told_to_have_left_for_it(server: ServerWire) -> None:
    """An application that counts who comes and goes must not count itself out."""
    ann, bob = YjsPresence(1), YjsPresence(2)
    changes: list[dict[str, list[int]]] = []
    async with ann.connected():
        async with bob.connected():
            await sees(ann.awareness, lambda: {1: {}, 2: {}})
        await sees(ann.awareness, lambda: {1: {}})

        def note(topic: str, event: tuple[dict[str, Any], Any]) -> None:
            if topic == "change":
                changes.append(event[0])

        ann.awareness.observe(note)
        async with bob.connected():
            await sees(bob.awareness, lambda: {1: {}, 2: {}})
            await sees(ann.awareness, lambda: {1: {}, 2: {}})
    assert not [change for change in changes if 1 in change["removed"]]


async def test_a_server_that_has_forgotten_all_is_no_hindrance() -> None:
    ann, bob = YjsPresence(1), YjsPresence(2)
    for _ in range(2):
        async with bind("memory"), ann.connected(), bob.connected():
            await sees(ann.awareness, lambda: {1: {}, 2: {}})
            await sees(bob.awareness, lambda: {1: {}, 2: {}})


async def test_the_next_life_of_a_client_is_seen_at_a_server_that_has_forgotten_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who has stayed knows a clock of it that the new server cannot have raised."""
    monkeypatch.setattr("ycore.link.LONGEST_DELAY", 0.1)
    document: Doc[Any] = Doc(client_id=1)
    ann = connect("memory", doc=Doc(client_id=2))

    async def stay(*, task_status: TaskStatus[None]) -> None:
        async with ann:
            task_status.started()
            await sleep_forever()

    async with create_task_group() as tasks:
        async with bind("memory"):
            await tasks.start(stay)
            async with connect("memory", doc=document) as bob:
                for number in range(5):
                    bob.awareness.set_local_state({"number": number})
                await sees(ann.awareness, lambda: {1: {"number": 4}, 2: {}})
            await sees(ann.awareness, lambda: {2: {}})
        async with bind("memory"), connect("memory", doc=document) as bob:
            bob.awareness.set_local_state({"number": -1})
            await sees(ann.awareness, lambda: {1: {"number": -1}, 2: {}})
        tasks.cancel_scope.cancel()


async def test_who_stays_remembers_a_bounded_number_of_those_who_have_left(
    server: ServerWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ycore.presence.MAX_DEPARTED", 10)
    async with connect("memory", doc=Doc(client_id=1)) as ann:
        for client in range(2, 30):
            bob = YjsPresence(client)
            async with bob.connected():
                await until(ann.awareness, lambda: len(states(ann.awareness)) == 2, timeout=5)
            await sees(ann.awareness, lambda: {1: {}})
        assert len(ann.awareness.meta) <= 12


async def test_a_clock_behind_the_known_one_is_caught_up(server: ServerWire) -> None:
    """Another life of the same client; what it has changed meanwhile must not be overwritten."""
    room = await server.rooms.get("")
    old, new = YjsPresence(1), YjsPresence(1)
    for number in range(5):
        old.awareness.set_local_state({"number": number})
    async with old.connected():
        await sees(room.awareness, lambda: {1: {"number": 4}})
    # Before that it would be told the state of its old life.
    await sees(room.awareness, dict)
    known = room.awareness.meta[1]["clock"]
    async with new.connected():
        new.awareness.set_local_state({"newer": True})
        await sees(room.awareness, lambda: {1: {"newer": True}})
    assert AwarenessEntry(1, known, "null") in new.told
    assert states(new.awareness) == {1: {"newer": True}}


async def test_who_tells_on_the_state_of_another_is_told_nothing_of_it(
    server: ServerWire,
) -> None:
    room = await server.rooms.get("")
    ann = YjsPresence(1)
    async with ann.connected(), connect("memory").open() as channel:
        await sees(room.awareness, lambda: {1: {}})
        # To be recognised; Ann herself may renew her state, since somebody has come.
        entry = AwarenessEntry(1, room.awareness.meta[1]["clock"], '{"so": "they say"}')
        await channel.send(encode_step1(EMPTY_STATE))
        await channel.send(encode_awareness(encode_entries([entry])))
        heard = await heard_so_far(channel)
        assert {told.state for told in heard} == {"{}"}
        assert states(room.awareness) == {1: {}}


async def test_who_tells_on_the_last_state_of_one_who_has_left_makes_no_ghost(
    server: ServerWire,
) -> None:
    """A client without a state begins with what it has heard, which may be of the past by then."""
    room = await server.rooms.get("")
    ann = YjsPresence(1)
    async with connect("memory").open() as channel:
        await channel.send(encode_step1(EMPTY_STATE))
        async with ann.connected():
            await sees(room.awareness, lambda: {1: {}})
        await sees(room.awareness, dict)
        entry = AwarenessEntry(1, room.awareness.meta[1]["clock"], "{}")
        await channel.send(encode_awareness(encode_entries([entry])))
        assert max(told.clock for told in await heard_so_far(channel)) == entry.clock
    assert states(room.awareness) == {}


async def test_who_comes_back_before_its_old_connection_is_dead_sees_at_once(
    server: ServerWire,
) -> None:
    ann, bob = YjsPresence(1), YjsPresence(2)
    async with ann.connected(), connect("memory").open() as dead:
        await dead.send(encode_step1(EMPTY_STATE))
        entry = AwarenessEntry(2, 1, "{}")
        await dead.send(encode_awareness(encode_entries([entry])))
        await sees(ann.awareness, lambda: {1: {}, 2: {}})
        # What Bob had heard before he lost that connection.
        known = {"clock": ann.awareness.meta[1]["clock"], "lastUpdated": 0}
        bob.awareness.meta[1] = known
        async with bob.connected():
            await sees(bob.awareness, lambda: {1: {}, 2: {}})


async def test_a_message_that_contradicts_itself_is_nobodys_end(server: ServerWire) -> None:
    ann, bob = YjsPresence(1), YjsPresence(2)
    async with ann.connected(), connect("memory").open() as channel:
        await channel.send(encode_step1(EMPTY_STATE))
        for entries in (
            [AwarenessEntry(5, 1, "{}")],
            [AwarenessEntry(5, 9, "null"), AwarenessEntry(5, 9, "{}")],
        ):
            await channel.send(encode_awareness(encode_entries(entries)))
        for _ in range(2):
            async with bob.connected():
                await sees(bob.awareness, lambda: {1: {}, 2: {}})
            await sees(ann.awareness, lambda: {1: {}})


async def test_all_are_asked_together_and_not_all_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ycore.room.SHORTEST_RENEWAL", 3600.0)
    monkeypatch.setattr("ycore.room.LONGEST_RENEWAL", 3600.0)
    ann, bob = YjsPresence(1), YjsPresence(2)
    async with bind("memory", Room), ann.connected():
        for _ in range(5):
            async with bob.connected():
                await sees(ann.awareness, lambda: {1: {}, 2: {}})
            await sees(ann.awareness, lambda: {1: {}})
    # Its own introduction, one for Bob's first return, and the room's telling on of both.
    assert len(ann.told) == 4
