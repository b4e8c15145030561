"""What is bounded, and what happens at the bound."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from anyio import (
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint
from pycrdt import Doc, Text

from ycore import Channel, ConnectError, ConnectionRejectedError, ServerWire, bind, connect
from ycore.protocol import (
    AwarenessEntry,
    Kind,
    encode_awareness,
    encode_echo,
    encode_entries,
    encode_step1,
    encode_update,
)
from ycore.replica import EMPTY_STATE, LARGE
from ycore.session import WALKS

KIB = 1024


@asynccontextmanager
async def introduced() -> AsyncIterator[Channel]:
    """Open a channel whose peer has said what comes first."""
    async with connect("memory").open() as channel:
        await channel.send(encode_step1(EMPTY_STATE))
        yield channel


async def until_dropped(server: ServerWire, count: int) -> None:
    with fail_after(5):
        while sum(server.stats().drops.values()) < count:
            await wait_all_tasks_blocked()


async def until_closed(channel: Channel) -> int | None:
    with fail_after(5), pytest.raises(EndOfStream):
        while True:
            await channel.receive()
    return channel.close_code


async def test_connections() -> None:
    """Who comes too late may come again; a place is free as soon as somebody leaves."""
    async with bind("memory", max_connections=2) as server, AsyncExitStack() as stack:
        first = await stack.enter_async_context(connect("memory", id="a"))
        async with connect("memory", id="b"):
            with (
                fail_after(5),
                pytest.raises(
                    ConnectError, match="1013 the server is full: 2 connections"
                ) as caught,
            ):
                async with connect("memory", id="c"):
                    raise AssertionError("connected")
            assert not isinstance(caught.value, ConnectionRejectedError)
        assert server.stats().refusals == {"max_connections": 1}
        room = await server.rooms.get("b")
        with fail_after(5):
            while room.clients:
                await first.flush()
        async with connect("memory", id="c"):
            pass


async def test_a_limit_that_is_reached_is_logged_with_its_option(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bind("memory", max_connections=1), connect("memory"):
        with pytest.raises(ConnectError):
            async with connect("memory"):
                raise AssertionError("connected")
    assert "1 connections (the option max_connections)" in caplog.text


async def test_clients_of_a_room_and_rooms() -> None:
    async with bind("memory", max_clients=1, max_rooms=2, linger=60) as server:
        async with connect("memory", id="a"), connect("memory", id="b"):
            for room, reason in (("a", "room 'a' is full: 1"), ("c", "there are 2 rooms")):
                with fail_after(5), pytest.raises(ConnectError, match=f"1013 {reason}"):
                    async with connect("memory", id=room):
                        raise AssertionError("connected")
        assert server.stats().refusals == {"max_clients": 1, "max_rooms": 1}
        assert server.stats().rooms == 2


@pytest.mark.parametrize(
    ("size", "reason"),
    [(10 * KIB, "awareness states of more than"), (600 * KIB, "an awareness message of 61")],
)
async def test_awareness(size: int, reason: str) -> None:
    """One larger than a message may be is refused before anybody parses it."""
    async with (
        bind("memory", max_awareness_size=8 * KIB) as server,
        connect("memory") as other,
        introduced() as channel,
    ):
        entry = AwarenessEntry(7, 1, json.dumps("x" * size))
        await channel.send(encode_awareness(encode_entries([entry])))
        assert await until_closed(channel) == 1009
        assert channel.close_reason.startswith(reason)
        assert "max_awareness_size" in channel.close_reason
        other.doc["text"] = Text("goes on")
        await other.flush()
        await until_dropped(server, 1)
        assert server.stats().drops == {"max_awareness_size": 1}


async def test_a_client_whose_awareness_is_too_large_is_told_so() -> None:
    async with bind("memory", max_awareness_size=KIB):
        with fail_after(5), pytest.raises(ConnectionRejectedError, match="1009 awareness states"):
            async with connect("memory") as client:
                client.awareness.set_local_state({"name": "x" * KIB})
                await Event().wait()


async def test_replies_that_nobody_reads() -> None:
    """Who asks for more and more without reading the answers does not fill the memory."""
    async with (
        bind("memory", max_waiting_size=64 * KIB) as server,
        connect("memory") as other,
        introduced() as channel,
    ):
        room = await server.rooms.get("")
        while len(room.clients) < 2:
            await wait_all_tasks_blocked()
        (theirs,) = [c for c in room.clients if c._other is channel]  # type: ignore[attr-defined]
        sent = 0
        with fail_after(5):
            while theirs.failure is None:
                # What waits, and what the wire takes besides in both directions.
                assert sent < 2 * 16 + 2 * 64, "it was not refused in time"
                await channel.send(encode_echo(bytes(4 * KIB)))
                sent += 1
                await checkpoint()
        assert await until_closed(channel) == 1008
        other.doc["text"] = Text("goes on")
        await other.flush()
        await until_dropped(server, 1)
        assert server.stats().drops == {"max_waiting_size": 1}


@pytest.mark.parametrize("name", ["max_connections", "max_waiting_size", "max_awareness_size"])
def test_bounds_that_make_no_sense(name: str) -> None:
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=name):
        bind("memory", **options)


def large_update() -> bytes:
    doc: Doc[Any] = Doc()
    doc["text"] = Text("x" * (LARGE + 1))
    return doc.get_update()


@pytest.mark.parametrize("kind", ["update", "state vector"])
async def test_others_get_their_turns_while_something_large_is_checked(kind: str) -> None:
    turns, is_done = 0, Event()

    async def take_turns() -> None:
        nonlocal turns
        while not is_done.is_set():
            await checkpoint()
            turns += 1

    if kind == "update":
        large = encode_update(b"\x01\x80\x80\x20\x01\x00" + b"\x00\x01" * (1 << 19) + b"\x00")
    else:
        clients = range(1 << 17, 1 << 18)
        entries = b"".join(bytes((n & 127 | 128, n >> 7 & 127 | 128, n >> 14, 1)) for n in clients)
        large = encode_step1(b"\x80\x80\x08" + entries)
    async with bind("memory"), introduced() as channel, create_task_group() as tasks:
        while (await channel.receive())[:2] != b"\x00\x01":
            pass
        tasks.start_soon(take_turns)
        await channel.send(large)
        await channel.send(b"\x66\x01x")
        with fail_after(30):
            while (await channel.receive())[0] != 0x66:
                pass
        is_done.set()
    # One for each 4 KiB.
    assert turns >= len(large) // 4096


async def test_large_garbage_is_garbage() -> None:
    async with bind("memory"), introduced() as channel:
        await channel.send(encode_update(large_update()[:-1]))
        assert await until_closed(channel) == 1007


async def test_who_leaves_while_something_large_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = Event()

    def endless(update: bytes) -> Iterator[None]:
        started.set()
        while True:
            yield

    monkeypatch.setitem(WALKS, Kind.UPDATE, endless)
    async with bind("memory") as server:
        with fail_after(5):
            async with introduced() as channel:
                await channel.send(encode_update(large_update()))
                await started.wait()
    assert server.stats().clients == 0
