"""A room and its clients, seen from a raw channel."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from unittest.mock import Mock

import pytest
from anyio import (
    TASK_STATUS_IGNORED,
    BrokenResourceError,
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.abc import TaskStatus
from pycrdt import Doc, Map, Text, merge_updates

from ycore import Channel, DocumentError, Room, bind, connect
from ycore.protocol import (
    KEEPALIVE,
    AwarenessEntry,
    Kind,
    Message,
    decode,
    encode_awareness,
    encode_denied,
    encode_echo,
    encode_entries,
    encode_step1,
    encode_step2,
    encode_update,
)
from ycore.replica import EMPTY_STATE, Change, Replica

PANIC = bytes.fromhex("010101ffffffff0f040101740b68656c6c6f20776f726c6400")
"""An update that makes pycrdt 0.14.13 panic."""


@asynccontextmanager
async def raw_client(id: str = "") -> AsyncIterator[Channel]:  # noqa: A002
    """Connect without speaking the protocol."""
    async with connect("memory", id=id).open() as channel:
        yield channel


async def receive(channel: Channel) -> Message:
    """Return the next message."""
    with fail_after(5):
        (message,) = decode(await channel.receive())
    return message


async def receive_all(channel: Channel) -> list[Message]:
    """Return what comes until the peer closes."""
    with fail_after(5):
        return [message async for frame in channel for message in decode(frame)]


async def shake_hands(channel: Channel) -> bytes:
    """Sync with a room, as a client without content; return the room's content."""
    assert (await receive(channel)).kind is Kind.STEP1
    await channel.send(encode_step1(EMPTY_STATE))
    while (message := await receive(channel)).kind is not Kind.STEP2:
        pass
    return message.payload


def updates_of(*texts: str) -> list[bytes]:
    """Return the updates of a document into which texts are written one after the other."""
    doc = Doc[Any]()
    found: list[bytes] = []
    subscription = doc.observe(lambda event: found.append(event.update))
    text = doc.get("text", type=Text)
    for part in texts:
        text += part
    doc.unobserve(subscription)
    return found


def text_of(update: bytes) -> str:
    """Return the text of a document of one update."""
    doc = Doc[Any]()
    doc.apply_update(update)
    return str(doc.get("text", type=Text))


async def test_a_room_by_itself() -> None:
    room = Room("x")
    with pytest.raises(RuntimeError, match="not open"):
        _ = room.task_group
    with pytest.raises(RuntimeError, match="not open"):
        await room.serve(None)  # type: ignore[arg-type]
    async with room:
        room.doc["text"] = Text("x")
        assert room.clients == []
        room.task_group.start_soon(sleep_forever)


async def test_the_server_speaks_first() -> None:
    async with bind("memory") as server:
        async with raw_client() as channel:
            message = await receive(channel)
            assert message == (Kind.STEP1, EMPTY_STATE)
            room = await server.rooms.get("")
            room.doc["text"] = Text("x")
            room.awareness.set_local_state({"name": "robot"})
            assert (await receive(channel)).kind is Kind.UPDATE
            assert (await receive(channel)).kind is Kind.AWARENESS
        async with raw_client() as channel:
            message = await receive(channel)
            assert message == (Kind.STEP1, room.doc.get_state())
            # Then who is there.
            assert (await receive(channel)).kind is Kind.AWARENESS


async def test_an_update_is_echoed_to_its_sender() -> None:
    (update,) = updates_of("hello")
    async with bind("memory"), raw_client() as channel:
        await shake_hands(channel)
        await channel.send(encode_update(update))
        assert await receive(channel) == (Kind.UPDATE, update)


async def test_the_updates_of_one_turn_are_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.room.LULL", math.inf)
    updates = updates_of(*"hello world, this is a flood")
    async with bind("memory") as server, raw_client() as one, raw_client() as two:
        await shake_hands(one)
        await shake_hands(two)
        for update in updates:
            assert one.send_nowait(encode_update(update))
        for channel in (one, two):
            merged = await receive(channel)
            assert merged.kind is Kind.UPDATE
            assert text_of(merged.payload) == "hello world, this is a flood"
        room = await server.rooms.get("")
        assert str(room.doc.get("text", type=Text)) == "hello world, this is a flood"


async def test_an_update_after_a_lull_waits_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.room.LULL", 0)
    updates = updates_of(*"abc")
    async with bind("memory"), raw_client() as one, raw_client() as two:
        await shake_hands(one)
        await shake_hands(two)
        for update in updates:
            assert one.send_nowait(encode_update(update))
        for update in updates:
            assert await receive(two) == (Kind.UPDATE, update)


async def test_where_a_turn_takes_long_updates_are_collected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A turn is no lull: in a room of many each update would be told alone otherwise."""
    clock = 0.0
    monkeypatch.setattr("ycore.room.monotonic", lambda: clock)
    take_changes = Replica.take_changes

    def take_long(replica: Replica) -> list[Change]:
        nonlocal clock
        clock += 10
        return take_changes(replica)

    monkeypatch.setattr(Replica, "take_changes", take_long)
    updates = updates_of(*"abcd")
    async with bind("memory"), raw_client() as channel:
        await shake_hands(channel)
        clock += 10
        for update in updates:
            assert channel.send_nowait(encode_update(update))
        assert await receive(channel) == (Kind.UPDATE, updates[0])
        assert text_of(merge_updates(updates[0], (await receive(channel)).payload)) == "abcd"


class PanicException(BaseException):
    """What pycrdt's panics are, by name."""


@pytest.mark.parametrize("error", [OSError("disk"), PanicException()])
async def test_a_turn_that_fails_is_the_room_s_fault_and_not_its_sender_s(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ycore.room.LULL", 0)
    (update,) = updates_of("a")
    async with bind("memory") as server, raw_client() as channel:
        await shake_hands(channel)
        monkeypatch.setattr("ycore.replica.Replica.apply", Mock(side_effect=error))
        await channel.send(encode_update(update))
        await receive_all(channel)
        assert channel.close_code == 1012
        assert not server.stats().refusals
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.getMessage() == "room '' failed"


@pytest.mark.parametrize("count", [1, 2, 8, 9, 500])
async def test_the_changes_that_the_room_makes_in_one_turn_are_one_message(count: int) -> None:
    async with bind("memory") as server, raw_client() as channel:
        await shake_hands(channel)
        room = await server.rooms.get("")
        text = room.doc.get("text", type=Text)
        for _ in range(count):
            text += "x"
        message = await receive(channel)
        assert message.kind is Kind.UPDATE
        assert text_of(message.payload) == "x" * count
        await wait_all_tasks_blocked()


async def test_more_updates_than_go_into_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.replica.BATCH_LIMIT", 3)
    updates = updates_of(*"0123456789")
    async with bind("memory") as server, raw_client() as channel:
        await shake_hands(channel)
        for update in updates:
            assert channel.send_nowait(encode_update(update))
        received = Doc[Any]()
        while str(received.get("text", type=Text)) != "0123456789":
            received.apply_update((await receive(channel)).payload)
        room = await server.rooms.get("")
        assert str(room.doc.get("text", type=Text)) == "0123456789"


async def test_any_order_and_several_messages_in_a_frame() -> None:
    update, second = updates_of("a", "b")
    async with bind("memory") as server, raw_client() as channel:
        await channel.send(encode_step2(update) + encode_step1(EMPTY_STATE) + encode_update(second))
        await receive(channel)
        # The answer comes after all that came before the question has been applied.
        doc = Doc[Any]()
        doc.apply_update((await receive(channel)).payload)
        assert str(doc.get("text", type=Text)).startswith("a")
        await channel.send(encode_step1(doc.get_state()))
        room = await server.rooms.get("")
        await wait_all_tasks_blocked()
        assert str(room.doc.get("text", type=Text)) == "ab"


async def test_an_echo_comes_after_everything_before_it_was_applied() -> None:
    updates = updates_of(*"abc")
    async with bind("memory") as server, raw_client() as channel:
        await shake_hands(channel)
        frame = b"".join(map(encode_update, updates)) + encode_echo(b"token")
        await channel.send(frame)
        while (message := await receive(channel)).kind is not Kind.ECHO:
            pass
        assert message.payload == b"token"
        room = await server.rooms.get("")
        assert str(room.doc.get("text", type=Text)) == "abc"


async def test_whoever_asks_is_told_who_is_there() -> None:
    async with bind("memory"), connect("memory") as client, raw_client() as channel:
        await shake_hands(channel)
        client.awareness.set_local_state({"a": "ü"})
        # What is told of its introduction, and of the renewal that this brings about.
        await receive(channel)
        told = await receive(channel)
        await channel.send(b"\x03ignored")
        assert await receive(channel) == told


async def test_unknown_messages_are_ignored() -> None:
    (update,) = updates_of("x")
    async with bind("memory"), raw_client() as channel:
        await shake_hands(channel)
        await channel.send(b"\x4dwhatever")
        await channel.send(encode_denied("by a client"))
        await channel.send(encode_update(update))
        assert await receive(channel) == (Kind.UPDATE, update)


async def test_a_quiet_room_says_something_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.room.KEEPALIVE_INTERVAL", 0.01)
    async with bind("memory"), raw_client() as channel:
        with fail_after(5):
            while await channel.receive() != KEEPALIVE:
                pass


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([b""], 1002),
        ([b"\x4d{}"], 1002),
        ([b"\x00"], 1002),
        ([encode_step1(b"\xff\xff\xff\xff\x0f")], 1007),
        ([encode_update(b"\x01")], 1007),
        ([encode_update(PANIC)], 1007),
        ([encode_step2(PANIC)], 1007),
        ([encode_step1(EMPTY_STATE), b"\x00\x02\xff\xff\xff\xff\xff\xff\xff\x0f"], 1002),
        ([encode_awareness(encode_entries([AwarenessEntry(1, 1, "{")]))], 1007),
        ([encode_awareness(b"\x01\x01" + b"\xff" * 7 + b"\x7f\x011")], 1002),
        ([encode_awareness(encode_entries([AwarenessEntry(1, 2**53, "1")]))], 1002),
        ([encode_awareness(encode_entries([AwarenessEntry(1, 2**53 - 1, "1")]))], 1002),
        (
            [encode_awareness(encode_entries([AwarenessEntry(n, 1, "1") for n in range(100_000)]))],
            1002,
        ),
        ([b"\x03abc\x02\x00"], 1002),
    ],
    ids=[
        "empty",
        "another protocol",
        "cut",
        "endless state",
        "no update",
        "panic",
        "panic in step 2",
        "2**60",
        "awareness",
        "clock of 2**55",
        "clock of 2**53",
        "clock of 2**53 - 1",
        "100,000 states",
        "a document's name of 3 letters",
    ],
)
async def test_bad_input_ends_its_connection_only(
    frames: list[bytes], code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with bind("memory"), connect("memory") as one, connect("memory") as two:
        async with raw_client() as channel:
            for frame in frames:
                await channel.send(frame)
            await receive_all(channel)
            assert channel.close_code == code
        one.doc["text"] = Text("alive")
        await wait_all_tasks_blocked()
        assert str(two.doc.get("text", type=Text)) == "alive"
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "was dropped" in warnings[0].getMessage()


async def test_an_update_that_pycrdt_cannot_decode_is_dropped_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (good,) = updates_of("good")
    monkeypatch.setattr("ycore.replica.check_update", lambda update: {})
    async with bind("memory") as server, raw_client() as one, raw_client() as two:
        await shake_hands(one)
        await shake_hands(two)
        one.send_nowait(encode_update(b"nonsense"))
        two.send_nowait(encode_update(good))
        assert await receive(two) == (Kind.UPDATE, good)
        await receive_all(one)
        assert one.close_code == 1007
        room = await server.rooms.get("")
        assert str(room.doc.get("text", type=Text)) == "good"


async def test_what_waits_for_a_good_update_and_fails_with_it_is_not_its_fault() -> None:
    doc = Doc[Any](client_id=1)
    doc["text"] = Text("a")
    good = doc.get_update()
    # An item whose parent, by id, is a character.
    bad = bytes((1, 1, 2, 0, 0x04, 0, 1, 0, 1, ord("x"), 0))
    async with bind("memory") as server, raw_client() as one, raw_client() as two:
        await shake_hands(one)
        await shake_hands(two)
        await one.send(encode_update(bad))
        assert (await receive(one)).kind is Kind.STEP1
        await two.send(encode_update(good))
        assert await receive(one) == (Kind.UPDATE, good)
        room = await server.rooms.get("")
        assert str(room.doc.get("text", type=Text)) == "a"
        await one.send(encode_update(bad))
        await receive_all(one)
        assert one.close_code == 1007
        await two.send(encode_echo(b""))


async def test_whoever_sends_what_depends_on_something_missing_is_asked() -> None:
    first, second, third = updates_of("a", "b", "c")
    async with bind("memory") as server, raw_client() as channel:
        await shake_hands(channel)
        await channel.send(encode_update(second))
        assert await receive(channel) == (Kind.STEP1, EMPTY_STATE)
        await channel.send(encode_step2(merge_updates(first, second)))
        assert (await receive(channel)).kind is Kind.UPDATE
        # Nobody is asked for what is there.
        await channel.send(encode_update(first))
        await channel.send(encode_update(third))
        assert await receive(channel) == (Kind.UPDATE, third)
        room = await server.rooms.get("")
        assert str(room.doc.get("text", type=Text)) == "abc"


async def test_a_client_is_not_asked_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.session.ASK_INTERVAL", 0.5)
    _, second, third, fourth = updates_of("a", "b", "c", "d")
    async with bind("memory"), raw_client() as channel:
        await shake_hands(channel)
        for update in (second, third, fourth):
            await channel.send(encode_update(update))
            await wait_all_tasks_blocked()
        # At once, and once more later for all the others.
        assert (await receive(channel)).kind is Kind.STEP1
        assert (await receive(channel)).kind is Kind.STEP1
        await channel.send(encode_echo(b"end"))
        assert (await receive(channel)).kind is Kind.ECHO


async def test_a_gap_is_told_to_everyone_once_it_is_filled() -> None:
    updates = updates_of(*"abcdef")
    async with bind("memory"), connect("memory") as reader, raw_client() as channel:
        await shake_hands(channel)
        await channel.send(encode_update(merge_updates(updates[0], updates[1], updates[4])))
        await channel.send(encode_update(updates[5]))
        await wait_all_tasks_blocked()
        assert str(reader.doc.get("text", type=Text)) == "ab"
        await channel.send(encode_update(merge_updates(updates[2], updates[3])))
        await wait_all_tasks_blocked()
        assert str(reader.doc.get("text", type=Text)) == "abcdef"


async def test_a_client_that_says_nothing_is_dropped() -> None:
    async with bind("memory", handshake_timeout=0.02), raw_client() as channel:
        await receive_all(channel)
        assert channel.close_code == 1008


async def test_a_sleeper_gets_everything_in_a_few_messages() -> None:
    async with bind("memory") as server, raw_client() as sleeper, connect("memory") as writer:
        await shake_hands(sleeper)
        text = writer.doc.get("text", type=Text)
        for number in range(1000):
            text += f"{number} "
            await writer.flush()
        room = await server.rooms.get("")
        room.awareness.set_local_state({"name": "robot"})
        await wait_all_tasks_blocked()
        doc = Doc[Any]()
        count = 0
        with fail_after(5):
            while len(str(doc.get("text", type=Text))) < len(str(text)):
                message = await receive(sleeper)
                assert message.kind is Kind.UPDATE
                doc.apply_update(message.payload)
                count += 1
        assert str(doc.get("text", type=Text)) == str(text)
        assert count < 120
        assert (await receive(sleeper)).kind is Kind.AWARENESS
        # Awake, it gets every change as it comes.
        text += "!"
        assert (await receive(sleeper)).kind is Kind.UPDATE


async def test_every_question_of_a_sleeper_is_answered() -> None:
    async with bind("memory") as server, raw_client() as sleeper:
        await shake_hands(sleeper)
        room = await server.rooms.get("")
        text = room.doc.get("text", type=Text)
        for _ in range(200):
            text += "x"
            await wait_all_tasks_blocked()
        for _ in range(10):
            await sleeper.send(encode_step1(EMPTY_STATE))
        answers = 0
        with fail_after(5):
            while answers < 10:
                answers += (await receive(sleeper)).kind is Kind.STEP2


async def test_a_sleeper_that_makes_replies_pile_up_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ycore.outbox.QUEUE_REPLIES", 10)
    async with bind("memory", close_timeout=0.05), raw_client() as channel:
        await shake_hands(channel)
        with fail_after(5), suppress(BrokenResourceError):
            while True:
                await channel.send(encode_echo(b"token"))
        await receive_all(channel)
        assert channel.close_code == 1008


async def test_a_sleeper_is_dropped_in_the_end() -> None:
    async with bind("memory", send_timeout=0.05, close_timeout=0.05) as server:
        async with raw_client() as sleeper:
            await shake_hands(sleeper)
            room = await server.rooms.get("")
            text = room.doc.get("text", type=Text)
            with fail_after(5):
                while room.clients:
                    text += "x"
                    await wait_all_tasks_blocked()
            await receive_all(sleeper)
            assert sleeper.close_code == 1008
            assert sleeper.close_reason == "too slow"


async def test_what_waits_is_sent_before_the_server_goes() -> None:
    may_end = Event()

    async def serve(*, task_status: TaskStatus[Room]) -> None:
        async with bind("memory") as server:
            task_status.started(await server.rooms.get(""))
            await may_end.wait()

    async with create_task_group() as tasks:
        room: Room = await tasks.start(serve)
        async with raw_client() as sleeper:
            await shake_hands(sleeper)
            text = room.doc.get("text", type=Text)
            for _ in range(200):
                text += "x"
                await wait_all_tasks_blocked()
            may_end.set()
            await wait_all_tasks_blocked()
            doc = Doc[Any]()
            for message in await receive_all(sleeper):
                doc.apply_update(message.payload)
            assert len(str(doc.get("text", type=Text))) == 200
            assert sleeper.close_code == 1001


async def test_a_joiner_costs_no_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[object] = []
    get_update = Doc.get_update

    def count(doc: Doc[Any], state: bytes | None = None) -> bytes:
        encoded.append(state)
        return get_update(doc, state)

    async with bind("memory") as server:
        room = await server.rooms.get("")
        room.doc["map"] = Map({"key": "value"})
        monkeypatch.setattr(Doc, "get_update", count)
        contents = set()
        for _ in range(10):
            async with raw_client() as channel:
                contents.add(await shake_hands(channel))
        assert len(contents) == len(encoded) == 1
        room.doc["map"] = Map({"key": "new value"})
        async with raw_client() as channel:
            assert await shake_hands(channel) not in contents


async def test_a_handler_that_raises_ends_its_client_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Room1(Room):
        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            if len(self.clients) == 1:
                raise ZeroDivisionError("in the handler")
            await super().serve(client, task_status=task_status)

    async with bind("memory", Room1), connect("memory") as client:
        async with raw_client() as channel:
            await receive_all(channel)
            assert channel.close_code == 1011
            assert channel.close_reason == "internal error"
        client.doc["text"] = Text("x")
        await client.flush()
    assert "in the handler" in caplog.text


async def test_an_observer_of_presence_that_raises_ends_the_sender_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(topic: str, event: object) -> None:
        raise ZeroDivisionError("in the observer")

    async with bind("memory") as server, connect("memory") as client, raw_client() as channel:
        await shake_hands(channel)
        room = await server.rooms.get("")
        subscription = room.awareness.observe(fail)
        await channel.send(encode_awareness(encode_entries([AwarenessEntry(1, 1, "1")])))
        await receive_all(channel)
        assert channel.close_code == 1011
        room.awareness.unobserve(subscription)
        await client.flush()
    assert "in the observer" in caplog.text


@pytest.fixture
def panicking(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Make pycrdt panic at some updates, as it does at those that the checks refuse."""

    poison: list[bytes] = []
    apply_update = Doc.apply_update

    def apply(doc: Doc[Any], update: bytes) -> None:
        if update in poison:
            raise PanicException
        apply_update(doc, update)

    monkeypatch.setattr(Doc, "apply_update", apply)
    yield poison
    poison.clear()


async def test_a_panic_of_pycrdt_ends_the_sender_and_the_rest_meets_in_a_fresh_room(
    panicking: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    (update,) = updates_of("poison")
    panicking.append(update)
    async with bind("memory") as server, connect("memory", id="x") as client:
        client.doc["text"] = Text("kept")
        await client.flush()
        before = await server.rooms.get("x")
        lost = client.synchronized
        async with raw_client("x") as channel:
            await shake_hands(channel)
            await channel.send(encode_update(update))
            with fail_after(10):
                with pytest.raises(EndOfStream):
                    while True:
                        await channel.receive()
                assert channel.close_code == 1011
                while client.synchronized is lost:
                    await wait_all_tasks_blocked()
                await client.synchronized.wait()
        after = await server.rooms.get("x")
        assert after is not before
        assert str(after.doc.get("text", type=Text)) == "kept"
    assert "pycrdt failed" in caplog.text


async def test_a_panic_in_a_client_is_raised(panicking: list[bytes]) -> None:
    (update,) = updates_of("poison")
    panicking.append(update)

    class Room1(Room):
        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            await client.send(encode_step1(EMPTY_STATE))
            await client.send(encode_step2(update))
            await sleep_forever()

    async with bind("memory", Room1):
        with fail_after(5), pytest.raises(DocumentError):
            async with connect("memory"):
                await sleep_forever()


async def test_an_observer_of_the_document_that_raises_ends_the_room() -> None:
    def fail(event: object) -> None:
        raise ZeroDivisionError

    (update,) = updates_of("x")
    async with bind("memory") as server, raw_client() as channel:
        await shake_hands(channel)
        room = await server.rooms.get("")
        subscription = room.doc.observe(fail)
        await channel.send(encode_update(update))
        await receive_all(channel)
        assert channel.close_code == 1012
        room.doc.unobserve(subscription)
