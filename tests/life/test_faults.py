"""A room that fails, in whatever way, is the end of that room only, and not of what is in it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

import pytest
from anyio import TASK_STATUS_IGNORED, Event, create_task_group, fail_after, sleep_forever
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from tests.life.guest import PATIENCE, keys_of, write
from tests.life.wires import Wire
from ycore import ClientWire, ConnectError, ConnectionRejectedError, Room, Rooms
from ycore.testing import until

BAD, GOOD = "bad", "good"

TRANSIENT = {1011, 1012, 1013}
"""Clients come back after these."""

THE_ROOM_HAS_CLOSED = 1012


class DiskFullError(Exception):
    """What a bad room runs into."""


class Hospital:
    """Makes rooms; the bad ones have one trouble after the other, until there is none left."""

    def __init__(self, *troubles: Trouble) -> None:
        self.begins, self.has_failed = Event(), Event()
        self.made: list[Patient] = []
        self.closed: list[str] = []
        self._troubles = deque(troubles)

    def make(self, id: str) -> Room:  # noqa: A002
        trouble = self._troubles.popleft() if id == BAD and self._troubles else Patient.run_well
        self.made.append(Patient(id, self, trouble))
        return self.made[-1]


class Patient(Room):
    """A room that does what its trouble makes it do."""

    def __init__(self, id: str, hospital: Hospital, trouble: Trouble) -> None:  # noqa: A002
        super().__init__(id)
        self.hospital = hospital
        self.trouble = trouble

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        try:
            async with super().__asynccontextmanager__():
                yield self
        finally:
            self.hospital.closed.append(self.id)
            if self.trouble is raises_as_it_is_left:
                await self.fail()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        await self.trouble(self, task_status)

    async def run_well(self, task_status: TaskStatus[None]) -> None:
        await super().run(task_status=task_status)

    async def fail(self) -> None:
        self.hospital.has_failed.set()
        raise DiskFullError

    async def fail_later(self) -> None:
        await self.hospital.begins.wait()
        await self.fail()

    async def fail_at_the_end(self) -> None:
        try:
            await sleep_forever()
        finally:
            await self.fail()


Trouble = Callable[[Patient, TaskStatus[None]], Awaitable[None]]

# While it loads


async def raises_at_once(room: Patient, task_status: TaskStatus[None]) -> None:
    await room.fail()


async def raises_while_it_loads(room: Patient, task_status: TaskStatus[None]) -> None:
    await checkpoint()
    await room.fail()


async def returns_while_it_loads(room: Patient, task_status: TaskStatus[None]) -> None:
    await checkpoint()


async def has_a_task_that_raises_while_it_loads(
    room: Patient, task_status: TaskStatus[None]
) -> None:
    room.task_group.start_soon(room.fail)
    await sleep_forever()


async def raises_as_it_opens(room: Patient, task_status: TaskStatus[None]) -> None:
    task_status.started()
    await room.fail()


async def returns_as_it_opens(room: Patient, task_status: TaskStatus[None]) -> None:
    task_status.started()


LOADING = [
    raises_at_once,
    raises_while_it_loads,
    returns_while_it_loads,
    has_a_task_that_raises_while_it_loads,
    raises_as_it_opens,
    returns_as_it_opens,
]

# While clients are in it


async def raises(room: Patient, task_status: TaskStatus[None]) -> None:
    async with create_task_group() as tasks:
        tasks.start_soon(room.fail_later)
        await room.run_well(task_status)


async def returns(room: Patient, task_status: TaskStatus[None]) -> None:
    async with create_task_group() as tasks:
        tasks.start_soon(room.run_well, task_status)
        await room.hospital.begins.wait()
        tasks.cancel_scope.cancel()


async def has_a_task_that_raises(room: Patient, task_status: TaskStatus[None]) -> None:
    room.task_group.start_soon(room.fail_later)
    await room.run_well(task_status)


async def has_tasks_that_raise(room: Patient, task_status: TaskStatus[None]) -> None:
    room.task_group.start_soon(room.fail_later)
    room.task_group.start_soon(room.fail_later)
    await room.run_well(task_status)


OPEN = [raises, returns, has_a_task_that_raises, has_tasks_that_raise]

# As it closes


async def raises_as_it_saves(room: Patient, task_status: TaskStatus[None]) -> None:
    try:
        await room.run_well(task_status)
    finally:
        await room.fail()


async def has_a_task_that_raises_as_it_closes(room: Patient, task_status: TaskStatus[None]) -> None:
    room.task_group.start_soon(room.fail_at_the_end)
    await room.run_well(task_status)


async def raises_as_it_is_left(room: Patient, task_status: TaskStatus[None]) -> None:
    await room.run_well(task_status)


CLOSING = [raises_as_it_saves, has_a_task_that_raises_as_it_closes, raises_as_it_is_left]


def each(*troubles: Trouble) -> pytest.MarkDecorator:
    names = [trouble.__name__.replace("_", "-") for trouble in troubles]
    return pytest.mark.parametrize("trouble", troubles, ids=names)


class Neighbour:
    """A client in another room, who is not to notice anything."""

    def __init__(self, client: ClientWire) -> None:
        self._client = client
        self._in_sync = client.synchronized

    async def check(self) -> None:
        write(self._client.doc, "undisturbed")
        await self._client.flush()
        assert self._client.synchronized is self._in_sync


def check_log(caplog: pytest.LogCaptureFixture) -> None:
    """Check that what went wrong was told, of that room, and of nobody else."""
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert {record.getMessage() for record in errors} == {f"room {BAD!r} failed"}
    assert all(record.exc_info for record in errors)


@each(*LOADING)
async def test_a_room_that_cannot_be_loaded_refuses_for_now(
    wire: Wire, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    hospital = Hospital(trouble, trouble)
    with fail_after(PATIENCE):
        async with wire.server(hospital.make) as server, wire.client(server, GOOD) as client:
            neighbour = Neighbour(client)
            async with wire.client(server, BAD).open() as channel:
                async for _ in channel:
                    pass
                assert channel.close_code in TRANSIENT
            with pytest.raises(ConnectError) as caught:
                async with wire.client(server, BAD):
                    raise AssertionError("connected")
            assert not isinstance(caught.value, ConnectionRejectedError)
            async with wire.client(server, BAD) as cured:
                write(cured.doc, "at last")
                await cured.flush()
            await neighbour.check()
    check_log(caplog)


@each(*OPEN)
async def test_the_clients_of_a_room_that_fails_meet_again(
    wire: Wire, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    """In a fresh room, with what was in the old one; they do not give up while it cannot open."""
    hospital = Hospital(trouble, raises_at_once)
    with fail_after(2 * PATIENCE):
        async with (
            wire.server(hospital.make) as server,
            wire.client(server, GOOD) as client,
            wire.client(server, BAD) as ann,
            wire.client(server, BAD) as bob,
            wire.guest(server, BAD) as guest,
        ):
            neighbour = Neighbour(client)
            write(ann.doc, "before")
            await until(bob.doc, lambda: keys_of(bob.doc) == {"before"}, timeout=PATIENCE)
            hospital.begins.set()
            await guest.read_to_the_end()
            assert guest.close_code == THE_ROOM_HAS_CLOSED
            write(ann.doc, "after")
            await until(bob.doc, lambda: keys_of(bob.doc) == {"before", "after"}, timeout=PATIENCE)
            room = await server.rooms.get(BAD)
            assert room is hospital.made[-1]
            assert keys_of(room.doc) == {"before", "after"}
            await neighbour.check()
    check_log(caplog)


async def test_the_content_of_a_room_that_fails_outlasts_loads_that_fail(wire: Wire) -> None:
    hospital = Hospital(has_a_task_that_raises, raises_at_once, raises_while_it_loads)
    with fail_after(PATIENCE):
        async with wire.server(hospital.make) as server, wire.guest(server, BAD) as guest:
            async with wire.client(server, BAD) as writer:
                write(writer.doc, "kept")
            hospital.begins.set()
            await guest.read_to_the_end()
            for _ in range(2):
                with pytest.raises(ConnectError):
                    async with wire.client(server, BAD):
                        raise AssertionError("connected")
            async with wire.guest(server, BAD) as next_guest:
                assert keys_of(next_guest.doc) == {"kept"}


@each(*CLOSING)
async def test_the_content_of_a_room_that_fails_as_it_closes_is_kept(
    wire: Wire, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    hospital = Hospital(trouble)
    with fail_after(PATIENCE):
        async with (
            Rooms(hospital.make, linger=0) as rooms,
            wire.server(rooms=rooms) as server,
            wire.client(server, GOOD) as client,
        ):
            neighbour = Neighbour(client)
            async with wire.client(server, BAD) as writer:
                write(writer.doc, "kept")
            await hospital.has_failed.wait()
            async with wire.guest(server, BAD) as guest:
                assert keys_of(guest.doc) == {"kept"}
            await neighbour.check()
    check_log(caplog)


@each(*CLOSING)
async def test_a_room_that_fails_as_the_server_ends_fails_alone(
    wire: Wire, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    hospital = Hospital(trouble)
    with fail_after(PATIENCE):
        async with wire.server(hospital.make) as server:
            for id in (BAD, GOOD):  # noqa: A001
                await server.rooms.get(id)
    assert hospital.has_failed.is_set()
    assert GOOD in hospital.closed
    check_log(caplog)
