"""What a server tells an operator in numbers."""

from __future__ import annotations

import dataclasses

import pytest
from anyio import TASK_STATUS_IGNORED, create_task_group, fail_after, wait_all_tasks_blocked
from anyio.abc import TaskStatus
from pycrdt import Text

from ycore import Channel, Room, ServerWire, bind, connect
from ycore.protocol import encode_echo, encode_step1
from ycore.replica import EMPTY_STATE


async def until_nobody_is_there(server: ServerWire) -> None:
    with fail_after(5):
        while server.stats().clients:
            await wait_all_tasks_blocked()


def test_a_server_that_was_never_entered() -> None:
    stats = dataclasses.asdict(bind("memory").stats())
    assert stats.pop("refusals") == stats.pop("drops") == {}
    assert set(stats.values()) == {0}


async def test_rooms_and_clients_are_counted_while_they_are_there() -> None:
    async with bind("memory", linger=60) as server:
        async with connect("memory", id="a"), connect("memory", id="a"), connect("memory", id="b"):
            stats = server.stats()
            assert (stats.rooms, stats.clients, stats.clients_behind) == (2, 3, 0)
        await until_nobody_is_there(server)
        stats = server.stats()
        assert (stats.rooms, stats.clients, stats.connections) == (2, 0, 3)


async def test_messages_are_counted_exactly_and_for_ever() -> None:
    async with bind("memory") as server:
        async with connect("memory").open() as channel:
            said = [encode_step1(EMPTY_STATE), encode_echo(b"x" * 100)]
            for message in said:
                await channel.send(message)
            heard = []
            with fail_after(5):
                while said[1] not in heard:
                    heard.append(await channel.receive())
            while_there = server.stats()
        await until_nobody_is_there(server)
        for stats in (while_there, server.stats()):
            assert stats.messages_received == len(said)
            assert stats.bytes_received == sum(map(len, said))
            assert stats.messages_sent == len(heard)
            assert stats.bytes_sent == sum(map(len, heard))


async def read(channel: Channel) -> None:
    async for _ in channel:
        pass


async def test_who_is_behind_is_counted() -> None:
    async with bind("memory") as server, connect("memory") as writer:
        async with connect("memory").open() as sleeper:
            await sleeper.send(encode_step1(EMPTY_STATE))
            text = writer.doc["text"] = Text()
            with fail_after(5):
                while server.stats().clients_behind == 0:
                    text += "x"
                    await writer.flush()
            assert server.stats().clients_behind == 1
            async with create_task_group() as tasks:
                tasks.start_soon(read, sleeper)
                with fail_after(5):
                    while server.stats().clients_behind:
                        await wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()


async def test_who_was_dropped_for_what_is_counted() -> None:
    async with bind("memory", handshake_timeout=0.1) as server:
        for frame in (b"garbage", encode_step1(b"\xff"), None):
            async with connect("memory").open() as channel:
                if frame is not None:
                    await channel.send(frame)
                with fail_after(5):
                    await read(channel)
        await until_nobody_is_there(server)
        assert server.stats().drops == {"protocol error": 2, "too slow": 1}


@pytest.mark.parametrize("error", [ValueError, OSError])
async def test_a_room_that_does_not_serve_is_a_fault_of_the_server(error: type[Exception]) -> None:
    class FaultyRoom(Room):
        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            raise error("a disk is full")

    async with bind("memory", FaultyRoom) as server:
        async with connect("memory").open() as channel:
            with fail_after(5):
                await read(channel)
            assert channel.close_code == 1011
        await until_nobody_is_there(server)
        assert server.stats().drops == {"fault of the server": 1}
