"""A server's block is left, in any way: its clients are told, and get what they lack before."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from enum import Enum

import pytest
from anyio import (
    TASK_STATUS_IGNORED,
    CancelScope,
    Event,
    create_task_group,
    fail_after,
    sleep_forever,
)
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from tests.life.guest import PATIENCE, keys_of, write
from tests.life.wires import ROOM, Wire
from ycore import Channel, ConnectError, Room, Rooms, ServerWire, bind
from ycore.protocol import encode_step1
from ycore.replica import EMPTY_STATE
from ycore.testing.harness import Running

GOING_AWAY, THE_ROOM_HAS_CLOSED = 1001, 1012

ROUNDS = 6
"""trio runs the tasks of a turn in one order or the other, by chance."""

MUCH, LARGE = 100, "x" * 200_000
"""So many values of this size are more than any transport takes for somebody who does not read."""

SHORT, SOON = 0.2, 4.0
"""A `close_timeout`, and what ends by it on a busy machine, but not by the default of 5 s."""


class Ending(Enum):
    """How a server's block ends."""

    RETURN = "returns"
    ERROR = "raises"
    CANCELLATION = "is-cancelled"

    def expected(self) -> AbstractContextManager[object]:
        """Expect what comes out of the block then."""
        return pytest.raises(ZeroDivisionError) if self is Ending.ERROR else nullcontext()


@pytest.mark.parametrize("ending", Ending, ids=lambda ending: ending.value)
async def test_clients_get_the_last_word_and_are_told(wire: Wire, ending: Ending) -> None:
    for _ in range(ROUNDS):
        with fail_after(PATIENCE):
            await _end_with_a_last_word(wire, ending)


async def _end_with_a_last_word(wire: Wire, ending: Ending) -> None:
    server, may_end = wire.server(), Event()

    async def serve(*, task_status: TaskStatus[None]) -> None:
        with CancelScope() as scope, ending.expected():
            async with server:
                task_status.started()
                await may_end.wait()
                room = await server.rooms.get(ROOM)
                write(room.doc, "the last word")
                match ending:
                    case Ending.ERROR:
                        raise ZeroDivisionError
                    case Ending.CANCELLATION:
                        scope.cancel()
                        await sleep_forever()

    async with create_task_group() as tasks:
        await tasks.start(serve)
        async with wire.guest(server) as guest, wire.guest(server) as other:
            may_end.set()
            for each in (guest, other):
                await each.read_to_the_end()
                assert keys_of(each.doc) == {"the last word"}
                assert each.close_code == GOING_AWAY


async def test_who_is_behind_gets_everything_before_it_is_told(wire: Wire) -> None:
    keys = {str(number) for number in range(MUCH)}
    with fail_after(2 * PATIENCE):
        async with create_task_group() as tasks:
            running = Running(wire.server(close_timeout=PATIENCE))
            await tasks.start(running.run)
            async with wire.guest(running.server) as slow:
                with pytest.raises(ConnectError, match=f"closed the connection: {GOING_AWAY}"):
                    async with wire.client(running.server, reconnect=False) as writer:
                        for key in keys:
                            write(writer.doc, key, LARGE)
                            await writer.flush()
                        tasks.start_soon(running.stop)
                        await sleep_forever()
                await slow.read_to_the_end()
                assert keys_of(slow.doc) == keys
                assert slow.close_code == GOING_AWAY


async def test_who_does_not_read_holds_nobody_up(wire: Wire) -> None:
    running = Running(wire.server(close_timeout=SHORT))
    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            await tasks.start(running.run)
            async with wire.guest(running.server):
                room = await running.server.rooms.get(ROOM)
                for number in range(MUCH):
                    write(room.doc, str(number), LARGE)
                    await checkpoint()
                with fail_after(SOON):
                    await running.stop()


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
async def test_a_room_that_fails_in_the_last_moment_fails_alone(wire: Wire, turns: int) -> None:
    """However far the server has come with what makes the room fail."""

    def fail(event: object) -> None:
        raise ZeroDivisionError

    running = Running(wire.server())
    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            await tasks.start(running.run)
            async with wire.guest(running.server, "bad") as bad, wire.guest(running.server) as good:
                room = await running.server.rooms.get("bad")
                subscription = room.doc.observe(fail)
                await bad.say("something")
                for _ in range(turns):
                    await checkpoint()
                tasks.start_soon(running.stop)
                await bad.read_to_the_end()
                assert bad.close_code in (GOING_AWAY, THE_ROOM_HAS_CLOSED)
                await good.read_to_the_end()
                assert good.close_code == GOING_AWAY
                # A subscription keeps the document alive for ever.
                room.doc.unobserve(subscription)


async def test_who_waits_for_a_room_to_load_is_told(wire: Wire) -> None:
    loading = Event()

    class EndlessRoom(Room):
        async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
            loading.set()
            await sleep_forever()

    running = Running(wire.server(EndlessRoom))
    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            await tasks.start(running.run)
            async with wire.client(running.server).open() as channel:
                await loading.wait()
                tasks.start_soon(running.stop)
                assert [message async for message in channel] == []
                assert channel.close_code == GOING_AWAY


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8])
async def test_who_is_just_connecting_is_told_or_finds_nobody(wire: Wire, turns: int) -> None:
    """Whatever it is that the client and the server have just begun."""
    errors: list[str] = []

    async def join(server: ServerWire) -> None:
        with pytest.raises(ConnectError) as caught:
            async with wire.client(server, reconnect=False, connect_timeout=PATIENCE):
                await sleep_forever()
        errors.append(str(caught.value))

    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            # libzmq holds a connection that has just been made for so long.
            async with wire.server(close_timeout=1) as server:
                for _ in range(10):
                    tasks.start_soon(join, server)
                    for _ in range(turns):
                        await checkpoint()
    assert len(errors) == 10
    for error in errors:
        assert re.search(f"cannot reach|closed the connection: {GOING_AWAY}", error)


async def test_a_conversation_that_ends_as_it_begins_is_told_as_such(wire: Wire) -> None:
    """What the client would have answered is not the reason why it ends."""

    class BriefRoom(Room):
        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            await client.send(encode_step1(EMPTY_STATE))
            await client.aclose(GOING_AWAY, "already")

    async with wire.server(BriefRoom) as server:
        with pytest.raises(ConnectError, match=f"closed the connection: {GOING_AWAY} already"):
            async with wire.client(server):
                raise AssertionError("connected")


@pytest.mark.parametrize("goes", ["this", "the-other"])
async def test_the_clients_of_another_server_of_the_same_rooms_stay(wire: Wire, goes: str) -> None:
    made: list[str] = []

    def make(id: str) -> Room:  # noqa: A002
        made.append(id)
        return Room(id)

    with fail_after(PATIENCE):
        async with Rooms(make) as rooms, create_task_group() as tasks:
            this = wire, wire.server(rooms=rooms)
            other = Wire("memory", wire.backend), bind("memory", name="other", rooms=rooms)
            going, staying = (this, other) if goes == "this" else (other, this)
            running = Running(going[1])
            await tasks.start(running.run)
            async with staying[1], staying[0].client(staying[1]) as ann:
                in_sync = ann.synchronized
                async with going[0].guest(going[1]) as bob:
                    tasks.start_soon(running.stop)
                    await bob.read_to_the_end()
                    assert bob.close_code == GOING_AWAY
                await running.stop()
                write(ann.doc, "still here")
                await ann.flush()
                assert ann.synchronized is in_sync
                async with staying[0].client(staying[1]) as cas:
                    assert keys_of(cas.doc) == {"still here"}
            # The room has outlived both.
            assert keys_of((await rooms.get(ROOM)).doc) == {"still here"}
            assert made == [ROOM]
