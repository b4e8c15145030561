"""The life of rooms, from load to unload."""

from __future__ import annotations

import gc
import weakref
from importlib.metadata import version

import pytest
from anyio import (
    TASK_STATUS_IGNORED,
    CancelScope,
    Event,
    create_task_group,
    fail_after,
    get_running_tasks,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.abc import TaskStatus
from pycrdt import Doc, Text

from ycore import (
    ConnectError,
    LimitReachedError,
    Room,
    RoomLoadError,
    Rooms,
    bind,
    connect,
)


class SlowRoom(Room):
    """Loads when it is told to."""

    def __init__(self, id: str, may_load: Event) -> None:  # noqa: A002
        super().__init__(id)
        self.may_load = may_load

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        await self.may_load.wait()
        await super().run(task_status=task_status)


class SavingRoom(Room):
    """Takes its time to save when it closes."""

    saving: Event
    may_close: Event

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        try:
            await super().run(task_status=task_status)
        finally:
            with CancelScope(shield=True):
                self.saving.set()
                await self.may_close.wait()


class FaultyRoom(Room):
    """Fails when it is told to."""

    fault: Event

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        self.task_group.start_soon(self.fail)
        await super().run(task_status=task_status)

    async def fail(self) -> None:
        await self.fault.wait()
        raise OSError("the disk is full")


class PanickingRoom(FaultyRoom):
    """Runs into a panic of pycrdt 0.14.13, which is no `Exception`, when it is told to."""

    async def fail(self) -> None:
        await self.fault.wait()
        text = Doc({"text": Text("x")}).get("text", type=Text)
        text.sticky_index(len(text))


async def test_rooms_are_made_once_and_found_again() -> None:
    made: list[str] = []

    def make(id: str) -> Room:  # noqa: A002
        made.append(id)
        return Room(id)

    async with Rooms(make) as rooms:
        first = await rooms.get("one")
        assert await rooms.get("one") is first
        assert (await rooms.get("two")).id == "two"
        assert {room.id for room in rooms} == {"one", "two"}
        assert len(rooms) == 2
    assert made == ["one", "two"]
    assert len(rooms) == 0


async def test_those_who_come_while_it_loads_wait_for_one_load() -> None:
    may_load = Event()
    made: list[SlowRoom] = []
    got: list[Room] = []

    def make(id: str) -> Room:  # noqa: A002
        made.append(SlowRoom(id, may_load))
        return made[-1]

    async with Rooms(make) as rooms, create_task_group() as tasks:

        async def get() -> None:
            got.append(await rooms.get("x"))

        for _ in range(3):
            tasks.start_soon(get)
        await wait_all_tasks_blocked()
        assert got == []
        assert list(rooms) == []
        may_load.set()
    assert got == made * 3


async def test_a_room_closes_after_its_last_client_has_left() -> None:
    async with Rooms(linger=0) as rooms:
        async with rooms.join("x") as room:
            pass
        with fail_after(5):
            while len(rooms):
                await wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="not open"):
            _ = room.task_group
        assert await rooms.get("x") is not room


async def test_a_room_that_is_joined_again_in_time_stays() -> None:
    async with Rooms(linger=60) as rooms:
        async with rooms.join("x") as first:
            pass
        await wait_all_tasks_blocked()
        async with rooms.join("x") as second:
            await wait_all_tasks_blocked()
        assert second is first


async def test_who_comes_while_it_closes_gets_a_fresh_room() -> None:
    SavingRoom.saving, SavingRoom.may_close = Event(), Event()
    async with Rooms(SavingRoom, linger=0) as rooms:
        async with rooms.join("x") as closing:
            pass
        await SavingRoom.saving.wait()
        assert list(rooms) == []
        got: list[Room] = []
        async with create_task_group() as tasks:

            async def get() -> None:
                got.append(await rooms.get("x"))

            tasks.start_soon(get)
            await wait_all_tasks_blocked()
            assert got == []
            SavingRoom.may_close.set()
        assert got[0] is not closing


async def test_a_factory_that_raises_refuses_that_room_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def make(id: str) -> Room:  # noqa: A002
        if id == "bad":
            raise OSError("no such table")
        return Room(id)

    async with bind("memory", make) as server:
        async with connect("memory", id="good"):
            with pytest.raises(ConnectError, match="1011 room 'bad' could not be loaded"):
                async with connect("memory", id="bad"):
                    raise AssertionError("connected")
        with pytest.raises(RoomLoadError, match="'bad'") as caught:
            await server.rooms.get("bad")
        assert isinstance(caught.value.__cause__, OSError)
    assert "room 'bad' failed" in caplog.text


async def test_a_load_that_raises_is_tried_anew_by_the_next_client() -> None:
    class Room1(Room):
        broken = True

        async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
            if self.broken:
                raise OSError("not yet")
            await super().run(task_status=task_status)

    async with bind("memory", Room1):
        with pytest.raises(ConnectError):
            async with connect("memory"):
                raise AssertionError("connected")
        Room1.broken = False
        async with connect("memory"):
            pass


PANICS = pytest.mark.skipif(version("pycrdt") != "0.14.13", reason="tells about this version")


@pytest.mark.parametrize("faulty", [FaultyRoom, pytest.param(PanickingRoom, marks=PANICS)])
async def test_a_room_that_fails_is_followed_by_a_fresh_one_with_its_content(
    faulty: type[FaultyRoom],
) -> None:
    FaultyRoom.fault = Event()
    made: list[FaultyRoom] = []

    def make(id: str) -> Room:  # noqa: A002
        made.append(faulty(id))
        return made[-1]

    async with bind("memory", make) as server, connect("memory", id="x") as client:
        text = client.doc.get("t", type=Text)
        text += "kept"
        await client.flush()
        lost, fault = client.synchronized, FaultyRoom.fault
        FaultyRoom.fault = Event()
        fault.set()
        with fail_after(5):
            while client.synchronized is lost:
                await wait_all_tasks_blocked()
            await client.synchronized.wait()
        room = await server.rooms.get("x")
        assert room is made[1]
        assert str(room.doc.get("t", type=Text)) == "kept"


async def test_the_content_of_a_failed_room_waits_for_its_next_client() -> None:
    FaultyRoom.fault = Event()
    async with Rooms(FaultyRoom) as rooms:
        room = await rooms.get("x")
        room.doc["t"] = Text("kept")
        fault = FaultyRoom.fault
        FaultyRoom.fault = Event()
        fault.set()
        with fail_after(5):
            while len(rooms):
                await wait_all_tasks_blocked()
        fresh = await rooms.get("x")
        assert fresh is not room
        assert str(fresh.doc.get("t", type=Text)) == "kept"


async def test_a_run_that_returns_ends_the_room() -> None:
    class Hasty(Room):
        async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
            task_status.started()

    with pytest.raises(RuntimeError, match=r"Hasty\.run returned"):
        async with Hasty("x"):
            await sleep_forever()


async def test_there_is_a_bound_for_rooms() -> None:
    async with Rooms(max_rooms=2) as rooms:
        await rooms.get("one")
        await rooms.get("two")
        with pytest.raises(LimitReachedError, match="there are 2 rooms already"):
            await rooms.get("three")
        await rooms.get("one")


async def test_there_is_a_bound_for_the_clients_of_a_room() -> None:
    async with (
        Rooms(max_clients=1) as rooms,
        bind("memory", rooms=rooms),
        connect("memory", id="x"),
        connect("memory", id="y"),
    ):
        with pytest.raises(ConnectError, match="1013 room 'x' is full"):
            async with connect("memory", id="x"):
                raise AssertionError("connected")


@pytest.mark.parametrize("options", [{"linger": -1}, {"max_rooms": 0}, {"max_clients": 0}])
def test_bounds_that_make_no_sense(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        Rooms(**options)  # type: ignore[arg-type]


async def test_rooms_must_be_open() -> None:
    rooms = Rooms()
    with pytest.raises(RuntimeError, match="async context manager"):
        await rooms.get("x")
    with pytest.raises(RuntimeError, match="async context manager"):
        async with bind("memory", rooms=rooms):
            raise AssertionError("bound")
    async with rooms:
        with pytest.raises(RuntimeError, match="already been entered"):
            async with rooms:
                raise AssertionError("opened")


async def test_closing_the_rooms_refuses_those_who_wait_for_a_load() -> None:
    async with create_task_group() as tasks:
        async with Rooms(lambda id: SlowRoom(id, Event())) as rooms:  # noqa: A006

            async def get() -> None:
                with pytest.raises(RoomLoadError):
                    await rooms.get("x")

            tasks.start_soon(get)
            await wait_all_tasks_blocked()


async def test_an_exception_of_the_block_comes_out_as_itself() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Rooms() as rooms, Room("x"):
            await rooms.get("x")
            raise ZeroDivisionError


async def test_nothing_is_left_of_rooms_that_were_opened_and_left() -> None:
    documents: list[weakref.ref[object]] = []

    def make(id: str) -> Room:  # noqa: A002
        room = Room(id)
        documents.append(weakref.ref(room.doc))
        return room

    async with Rooms(make, linger=0) as rooms, bind("memory", rooms=rooms):
        before = len(get_running_tasks())
        for number in range(30):
            async with connect("memory", id=f"room {number}") as client:
                client.doc["t"] = Text("x")
        with fail_after(5):
            while len(rooms):
                await wait_all_tasks_blocked()
        assert len(get_running_tasks()) == before
        gc.collect()
        assert len(documents) == 30
        assert [document for document in documents if document() is not None] == []
