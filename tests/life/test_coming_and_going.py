"""Rooms open and close while clients come and go: there is one of each id, and nothing is lost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from anyio import TASK_STATUS_IGNORED, CancelScope, Event, create_task_group, fail_after
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from pycrdt import Doc

from tests.life.guest import PATIENCE, keys_of, write
from tests.life.wires import ROOM, Wire
from ycore import Room, Rooms, ServerWire
from ycore.testing import until


class Storage:
    """Where rooms are saved; loading and saving wait for somebody's permission."""

    def __init__(self) -> None:
        self.saved: dict[str, bytes] = {}
        self.loads: Counter[str] = Counter()
        self.in_use: set[str] = set()
        self.may_load, self.may_save, self.saving = Event(), Event(), Event()

    async def load(self, room: Room) -> None:
        assert room.id not in self.in_use, "two rooms of one id"
        self.in_use.add(room.id)
        self.loads[room.id] += 1
        await self.may_load.wait()
        if room.id in self.saved:
            room.doc.apply_update(self.saved[room.id])

    async def save(self, room: Room) -> None:
        self.saving.set()
        with CancelScope(shield=True):
            await self.may_save.wait()
        self.saved[room.id] = room.doc.get_update()
        self.in_use.remove(room.id)

    def keys(self, id: str) -> set[str]:  # noqa: A002
        """Return what is saved of a room."""
        doc: Doc[Any] = Doc()
        doc.apply_update(self.saved[id])
        return keys_of(doc)


class StoredRoom(Room):
    def __init__(self, id: str, storage: Storage) -> None:  # noqa: A002
        super().__init__(id)
        self._storage = storage

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        await self._storage.load(self)
        try:
            await super().run(task_status=task_status)
        finally:
            await self._storage.save(self)


class StoredRooms(Rooms):
    """Rooms that close as soon as they are deserted, and tell who comes to their door."""

    def __init__(self) -> None:
        self.storage = Storage()
        super().__init__(lambda id: StoredRoom(id, self.storage), linger=0)  # noqa: A006
        self._came = 0
        self._arrival = Event()

    @asynccontextmanager
    async def join(self, id: str) -> AsyncIterator[Room]:  # noqa: A002
        self._came += 1
        self._arrival.set()
        async with super().join(id) as room:
            yield room

    async def until_came(self, count: int) -> None:
        while self._came < count:
            self._arrival = Event()
            await self._arrival.wait()


async def meet(wire: Wire, server: ServerWire, me: str, all_of_them: set[str]) -> None:
    """Join, say so, and stay until everybody has said so."""
    async with wire.client(server, connect_timeout=PATIENCE) as client:
        write(client.doc, me)
        await until(client.doc, lambda: keys_of(client.doc) == all_of_them, timeout=PATIENCE)


async def test_all_who_come_at_once_meet_in_one_room(wire: Wire) -> None:
    names = {f"client {number}" for number in range(20)}
    with fail_after(PATIENCE):
        async with StoredRooms() as rooms, wire.server(rooms=rooms) as server:
            rooms.storage.may_save.set()
            async with create_task_group() as tasks:
                for name in names:
                    tasks.start_soon(meet, wire, server, name, names)
                await rooms.until_came(len(names))
                assert list(rooms) == []
                rooms.storage.may_load.set()
    assert rooms.storage.loads == {ROOM: 1}


async def test_who_comes_while_a_room_closes_finds_what_it_saved(wire: Wire) -> None:
    names = {f"client {number}" for number in range(5)}
    with fail_after(PATIENCE):
        async with StoredRooms() as rooms, wire.server(rooms=rooms) as server:
            storage = rooms.storage
            storage.may_load.set()
            async with wire.client(server) as first:
                write(first.doc, "first")
            await storage.saving.wait()
            assert list(rooms) == []
            async with create_task_group() as tasks:
                for name in names:
                    tasks.start_soon(meet, wire, server, name, {"first", *names})
                await rooms.until_came(1 + len(names))
                assert storage.loads == {ROOM: 1}
                storage.may_save.set()
    assert storage.loads == {ROOM: 2}
    assert storage.keys(ROOM) == {"first", *names}


async def test_nothing_is_lost_however_often_rooms_open_and_close(wire: Wire) -> None:
    chance = Random(19)
    written: dict[str, set[str]] = defaultdict(set)

    async def visit_often(server: ServerWire, me: int) -> None:
        for number in range(25):
            id, key = chance.choice("abc"), f"{me}: {number}"  # noqa: A001
            async with wire.client(server, id, connect_timeout=PATIENCE) as client:
                write(client.doc, key)
                written[id].add(key)
            for _ in range(chance.randrange(10)):
                await checkpoint()

    with fail_after(2 * PATIENCE):
        async with StoredRooms() as rooms, wire.server(rooms=rooms) as server:
            storage = rooms.storage
            storage.may_load.set()
            storage.may_save.set()
            async with create_task_group() as tasks:
                for me in range(4):
                    tasks.start_soon(visit_often, server, me)
    assert {room: storage.keys(room) for room in storage.saved} == written
    assert storage.loads.total() > 2 * len(written)
