"""The stream of a client's status."""

from __future__ import annotations

import pytest
from anyio import (
    ClosedResourceError,
    EndOfStream,
    WouldBlock,
    create_task_group,
    fail_after,
    wait_all_tasks_blocked,
)

from ycore import ConnectError, Status, StatusChanges, bind, connect
from ycore.status import KEPT, StatusBoard

CONNECTING, CONNECTED, DISCONNECTED = Status.CONNECTING, Status.CONNECTED, Status.DISCONNECTED


async def test_every_change_is_told_in_order() -> None:
    seen: list[Status] = []
    async with create_task_group() as tasks:
        async with bind("memory") as server:
            client = connect("memory")

            async def watch() -> None:
                with client.status_changes() as changes:
                    async for status in changes:
                        assert status is client.status or len(seen) < 2
                        seen.append(status)

            tasks.start_soon(watch)
            await wait_all_tasks_blocked()
            async with client:
                room = await server.rooms.get("")
                await room.clients[0].aclose(1012)
                with fail_after(5):
                    while len(seen) < 5:
                        await wait_all_tasks_blocked()
                assert client.status is CONNECTED
            assert client.status is DISCONNECTED
    assert seen == [
        DISCONNECTED,
        CONNECTING,
        CONNECTED,
        DISCONNECTED,
        CONNECTING,
        CONNECTED,
        DISCONNECTED,
    ]


async def test_who_comes_later_is_told_what_is_now() -> None:
    async with bind("memory"), connect("memory") as client:
        with client.status_changes() as changes:
            assert await changes.receive() is CONNECTED


async def test_the_stream_ends_with_a_client_that_cannot_connect() -> None:
    client = connect("memory")
    with client.status_changes() as changes:
        with pytest.raises(ConnectError):
            async with client:
                raise AssertionError("connected")
        with fail_after(5):
            assert [status async for status in changes] == [DISCONNECTED, CONNECTING, DISCONNECTED]
    with client.status_changes() as changes, fail_after(5):
        assert [status async for status in changes] == [DISCONNECTED]


async def test_who_does_not_receive_misses_the_oldest_only() -> None:
    board = StatusBoard()
    with board.watch() as changes:
        for _ in range(KEPT):
            board.post(CONNECTING)
            board.post(CONNECTED)
        board.post(DISCONNECTED)
        board.end()
        received = [status async for status in changes]
    assert len(received) == KEPT
    assert received[-2:] == [CONNECTED, DISCONNECTED]


async def test_what_is_no_change_is_not_told() -> None:
    board = StatusBoard()
    with board.watch() as changes:
        board.post(DISCONNECTED)
        board.post(CONNECTED)
        board.end()
        assert [status async for status in changes] == [DISCONNECTED, CONNECTED]


async def test_a_closed_stream() -> None:
    board = StatusBoard()
    with board.watch() as changes:
        await changes.receive()
        async with create_task_group() as tasks:

            async def receive() -> None:
                with fail_after(5), pytest.raises(ClosedResourceError):
                    await changes.receive()

            tasks.start_soon(receive)
            await wait_all_tasks_blocked()
            await changes.aclose()
        with pytest.raises(ClosedResourceError):
            await changes.receive()


async def test_all_who_receive_are_told_of_the_end() -> None:
    board = StatusBoard()
    with board.watch() as changes:
        await changes.receive()
        with fail_after(5):
            async with create_task_group() as tasks:

                async def receive() -> None:
                    with pytest.raises(EndOfStream):
                        await changes.receive()

                tasks.start_soon(receive)
                tasks.start_soon(receive)
                await wait_all_tasks_blocked()
                board.end()


async def test_who_stops_watching_is_told_nothing_more() -> None:
    board = StatusBoard()
    with board.watch() as changes:
        pass
    board.post(CONNECTED)
    board.end()
    await changes.receive()
    with pytest.raises((EndOfStream, WouldBlock)), fail_after(0.1):
        changes.end()
        await changes.receive()
    assert isinstance(changes, StatusChanges)
