"""Our client at servers that behave differently, badly, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from anyio import (
    TASK_STATUS_IGNORED,
    BrokenResourceError,
    Event,
    create_task_group,
    fail_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from pycrdt import Array, Doc, Text

from ycore import (
    Channel,
    ConnectError,
    ConnectionRejectedError,
    ReadOnlyError,
    Room,
    Status,
    UnsentEditsError,
    bind,
    connect,
)
from ycore.protocol import (
    AwarenessEntry,
    Kind,
    decode,
    decode_awareness,
    encode_awareness,
    encode_denied,
    encode_entries,
    encode_step1,
    encode_step2,
    encode_update,
)
from ycore.replica import EMPTY_STATE

PANIC = bytes.fromhex("010101ffffffff0f040101740b68656c6c6f20776f726c6400")
"""An update that makes pycrdt 0.14.13 panic."""


class ForeignRoom(Room):
    """A server by hand; subclasses say what is different."""

    asks_first = True
    asks_after_answer = False

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        if self.asks_first:
            await client.send(encode_step1(self.doc.get_state()))
        async for frame in client:
            for kind, payload in decode(frame):
                await self.on_message(client, kind, payload)

    async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
        if kind is Kind.STEP1:
            await client.send(encode_step2(self.doc.get_update(payload)))
            if self.asks_after_answer:
                await client.send(encode_step1(self.doc.get_state()))
        elif kind in (Kind.STEP2, Kind.UPDATE):
            self.doc.apply_update(payload)


def text_of(doc: Doc[Any]) -> str:
    return str(doc.get("text", type=Text))


@pytest.mark.parametrize(
    ("asks_first", "asks_after_answer"), [(True, False), (False, True), (False, False)]
)
async def test_content_arrives_whenever_the_server_asks_and_if_it_never_does(
    asks_first: bool, asks_after_answer: bool
) -> None:
    class Room1(ForeignRoom):
        pass

    Room1.asks_first, Room1.asks_after_answer = asks_first, asks_after_answer
    doc: Doc[Any] = Doc()
    doc["text"] = Text("brought")
    async with bind("memory", Room1) as server:
        room = await server.rooms.get("")
        with fail_after(5):
            async with connect("memory", doc=doc) as client:
                await client.flush()
                assert text_of(room.doc) == "brought"
                doc["array"] = Array([1])
        assert room.doc.get("array", type=Array).to_py() == [1]


async def test_a_flush_is_not_answered_before_the_edits_have_left() -> None:
    """With a full transport the question waits behind all edits, those in a difference included."""
    may_read = Event()

    class Slow(ForeignRoom):
        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            await super().on_message(client, kind, payload)
            if kind is Kind.UPDATE:
                await may_read.wait()

    async with bind("memory", Slow) as server, connect("memory") as client:
        room = await server.rooms.get("")
        text = client.doc.get("text", type=Text)
        for number in range(200):
            text += f"{number} "
            # One message for each: the other tasks have their turns.
            for _ in range(5):
                await checkpoint()
        may_read.set()
        with fail_after(5):
            await client.flush()
        assert text_of(room.doc) == str(text)


async def test_what_was_pushed_and_lost_is_pushed_again() -> None:
    """`push()` promises that it leaves, also when the connection takes it to the grave."""

    class Lossy(ForeignRoom):
        loses = False

        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            if self.loses and kind is Kind.UPDATE:
                Lossy.loses = False
                await client.aclose(1012)
            else:
                await super().on_message(client, kind, payload)

    async with bind("memory", Lossy) as server:
        async with connect("memory", auto_push=False) as client:
            room = await server.rooms.get("")
            client.push()
            await client.flush()
            Lossy.loses = True
            client.doc["text"] = Text("important")
            client.push()
            with fail_after(10):
                await client.flush()
            assert text_of(room.doc) == "important"


async def test_a_flush_goes_on_over_a_lost_connection() -> None:
    class Quitter(ForeignRoom):
        quits = False

        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            if self.quits and kind is Kind.STEP1:
                Quitter.quits = False
                await client.aclose(1012)
            else:
                await super().on_message(client, kind, payload)

    async with bind("memory", Quitter) as server, connect("memory") as client:
        room = await server.rooms.get("")
        Quitter.quits = True
        client.doc["text"] = Text("x")
        with fail_after(10):
            await client.flush()
        assert text_of(room.doc) == "x"


async def test_a_refusal_is_told_although_something_was_being_sent() -> None:
    class Refusing(ForeignRoom):
        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            await client.send(encode_step1(EMPTY_STATE))
            await client.aclose(4403, "not you")

    doc: Doc[Any] = Doc()
    doc["text"] = Text("x")
    async with bind("memory", Refusing):
        with fail_after(5), pytest.raises(ConnectionRejectedError, match="4403 not you"):
            async with connect("memory", doc=doc):
                raise AssertionError("connected")


async def test_a_connection_that_breaks_between_question_and_answer_is_not_the_end() -> None:
    class Fleeting(ForeignRoom):
        visits = 0

        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            Fleeting.visits += 1
            if Fleeting.visits == 2:
                await client.send(encode_step1(EMPTY_STATE))
                await client.aclose(1012)
            elif Fleeting.visits == 1:
                await client.send(encode_step1(EMPTY_STATE))
                await client.send(encode_step2(self.doc.get_update()))
                await client.aclose(1012)
            else:
                await super().serve(client, task_status=task_status)

    async with bind("memory", Fleeting) as server, connect("memory") as client:
        client.doc["text"] = Text("x")
        with fail_after(10):
            while Fleeting.visits < 3:
                await wait_all_tasks_blocked()
            await client.flush()
        assert text_of((await server.rooms.get("")).doc) == "x"


async def test_a_client_without_edits_leaves_in_peace_after_the_server_lost_the_room() -> None:
    class Forgetful(ForeignRoom):
        forgets = False

        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            if self.forgets:
                self.doc = Doc()
            await super().serve(client, task_status=task_status)

    async with bind("memory", Forgetful) as server:
        room = await server.rooms.get("")
        room.doc["text"] = Text("theirs")
        async with connect("memory", close_timeout=0.1) as client:
            Forgetful.forgets = True
            lost = client.synchronized
            await _cut(client)
            with fail_after(10):
                while client.synchronized is lost or client.status is not Status.CONNECTED:
                    await wait_all_tasks_blocked()
            await wait_all_tasks_blocked()
            assert text_of(room.doc) == "theirs"
            await client.flush()


async def _cut(client: Any) -> None:
    """Cut the connection of a client, from its side."""
    uplink = client._ClientWire__link._uplink
    uplink.end(1000)


@pytest.mark.parametrize(
    "frames",
    [
        [encode_step2(PANIC)],
        [encode_step1(EMPTY_STATE), encode_update(PANIC)],
        [b""],
        [b"\x7bnot a Yjs server"],
        [encode_awareness(b"\x05")],
    ],
    ids=["panic", "panic later", "empty", "another protocol", "awareness"],
)
async def test_a_hostile_server_harms_nobody(frames: list[bytes]) -> None:
    class Hostile(Room):
        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            for frame in frames:
                await client.send(frame)
            async for _ in client:
                pass

    doc: Doc[Any] = Doc()
    async with bind("memory", Hostile):
        with fail_after(5), pytest.raises(ConnectError, match="was lost"):
            async with connect("memory", doc=doc):
                raise AssertionError("connected")
    doc["text"] = Text("alive")
    assert text_of(doc) == "alive"


async def test_changes_that_are_not_accepted_are_told(caplog: pytest.LogCaptureFixture) -> None:
    class ReadOnly(ForeignRoom):
        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            if kind is Kind.UPDATE:
                await client.send(encode_denied("read only"))
            else:
                await super().on_message(client, kind, payload)

    async with bind("memory", ReadOnly):
        with pytest.raises(UnsentEditsError) as caught:
            async with connect("memory") as client:
                client.doc["text"] = Text("x")
                with pytest.raises(ReadOnlyError, match="does not accept changes: read only"):
                    await client.flush()
    assert isinstance(caught.value.__cause__, ReadOnlyError)
    assert "does not accept changes: read only" in caplog.text


async def test_what_was_denied_arrives_with_what_is_sent_again() -> None:
    """The answer to a question from before that is no sign: it was on its way already.

    What was denied is a deletion: no state vector tells that the server lacks it.
    """

    class Wavering(ForeignRoom):
        denies = asks_again = False

        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            if self.denies and kind is Kind.UPDATE:
                await client.send(encode_denied("not now"))
                return
            if self.denies and kind is Kind.STEP1:
                self.denies, self.asks_again = False, True
                await client.send(encode_step1(self.doc.get_state()))
            elif self.asks_again and kind is Kind.STEP2:
                await may_take.wait()
            await super().on_message(client, kind, payload)

    async def flush() -> None:
        await client.flush()
        flushed.set()

    may_take, flushed = Event(), Event()
    async with (
        bind("memory", Wavering) as server,
        connect("memory") as client,
        create_task_group() as tasks,
    ):
        room = await server.rooms.get("")
        assert isinstance(room, Wavering)
        text = client.doc["text"] = Text("taken")
        await client.flush()
        room.denies = True
        text.clear()
        tasks.start_soon(flush)
        await wait_all_tasks_blocked()
        assert room.asks_again
        assert not flushed.is_set()
        may_take.set()
        with fail_after(5):
            await flushed.wait()
        assert text_of(room.doc) == ""


@pytest.mark.parametrize("edit", ["insert", "delete"])
@pytest.mark.parametrize("delay", [0, 1, 3])
@pytest.mark.parametrize("asks_before_answer", [False, True])
async def test_a_server_that_denies_everything_and_asks_for_it_all_the_time(
    edit: str, delay: int, asks_before_answer: bool
) -> None:
    """It is not asked and answered for ever: nobody can tell that it will never take anything."""

    class Stubborn(ForeignRoom):
        denies = False
        questions = 0

        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            if self.denies and kind in (Kind.STEP2, Kind.UPDATE):
                await client.send(encode_denied("never"))
            elif self.denies and kind is Kind.STEP1:
                self.questions += 1
                question = encode_step1(self.doc.get_state())
                answers = [question, encode_step2(self.doc.get_update(payload))]
                for answer in answers if asks_before_answer else reversed(answers):
                    await client.send(answer)
                    for _ in range(delay):
                        await checkpoint()
            else:
                await super().on_message(client, kind, payload)

    async with bind("memory", Stubborn) as server:
        room = await server.rooms.get("")
        assert isinstance(room, Stubborn)
        with pytest.raises(UnsentEditsError) as caught:
            async with connect("memory") as client:
                text = client.doc["text"] = Text("taken")
                await client.flush()
                room.denies = True
                if edit == "insert":
                    text += " not"
                else:
                    text.clear()
                with fail_after(5):
                    with pytest.raises(ReadOnlyError, match="never"):
                        await client.flush()
                    await wait_all_tasks_blocked()
        assert isinstance(caught.value.__cause__, ReadOnlyError)
        assert text_of(room.doc) == "taken"
        assert room.questions < 10


async def test_whoever_asks_for_awareness_gets_it() -> None:
    asked: list[AwarenessEntry] = []

    class Curious(ForeignRoom):
        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            if kind is Kind.AWARENESS:
                asked.append(payload)  # type: ignore[arg-type]
            await super().on_message(client, kind, payload)
            if kind is Kind.UPDATE:
                await client.send(b"\x03")

    async with bind("memory", Curious), connect("memory") as client:
        client.awareness.set_local_state({"name": "Ann"})
        await wait_all_tasks_blocked()
        client.doc["text"] = Text("x")
        await wait_all_tasks_blocked()
        assert len(asked) == 2
        assert asked[0] == asked[1]


@pytest.mark.parametrize("clock", [2**30 - 1, 2**31 - 2])
async def test_nonsense_about_the_own_state_does_not_drive_its_clock_out_of_range(
    clock: int,
) -> None:
    told: list[bytes] = []

    class Lying(ForeignRoom):
        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            await super().on_message(client, kind, payload)
            if kind is Kind.AWARENESS:
                told.append(payload)
            elif kind is Kind.UPDATE:
                entry = AwarenessEntry(name.doc.client_id, clock, '"a lie"')
                await client.send(encode_awareness(encode_entries([entry])))

    async with bind("memory", Lying), connect("memory") as name:
        name.awareness.set_local_state({"name": "Ann"})
        name.doc["text"] = Text("x")
        await wait_all_tasks_blocked()
        name.awareness.set_local_state({"name": "Bob"})
        await wait_all_tasks_blocked()
        assert name.awareness.meta[name.doc.client_id]["clock"] < 2**31
        assert name.awareness.get_local_state() == {"name": "Bob"}
        assert told


async def test_a_state_that_cannot_be_told_is_refused_and_undone() -> None:
    async with bind("memory") as server, connect("memory") as client:
        client.awareness.set_local_state({"name": "Ann"})
        room = await server.rooms.get("")
        for awareness in (client.awareness, room.awareness):
            before = awareness.get_local_state()
            with pytest.raises(ValueError, match="JSON"):
                awareness.set_local_state({"x": float("nan")})
            assert awareness.get_local_state() == before
        with pytest.raises(TypeError, match="serializable"):
            client.awareness.set_local_state({"x": b"bytes"})
        client.awareness.set_local_state({"name": "\ud83d"})
        await wait_all_tasks_blocked()
        assert room.awareness.states[client.doc.client_id] == {"name": "\ud83d"}


async def test_the_others_are_visible_at_once_after_a_reconnect() -> None:
    async with bind("memory"), connect("memory") as ann, connect("memory") as bob:
        ann.awareness.set_local_state({"name": "Ann"})
        bob.awareness.set_local_state({"name": "Bob"})
        await wait_all_tasks_blocked()
        lost = bob.synchronized
        await _cut(bob)
        with fail_after(10):
            while bob.synchronized is lost:
                await wait_all_tasks_blocked()
            await bob.synchronized.wait()
            await wait_all_tasks_blocked()
        assert bob.awareness.states[ann.doc.client_id] == {"name": "Ann"}
        assert ann.awareness.states[bob.doc.client_id] == {"name": "Bob"}


async def test_awareness_of_many_is_told_in_several_messages() -> None:
    async with bind("memory", max_message_size=100_000) as server, connect("memory") as late:
        room = await server.rooms.get("")
        entries = [AwarenessEntry(n, 1, f'"{n}{"ü" * 1000}"') for n in range(1, 100)]
        async with connect("memory", id="other"):
            pass
        for entry in entries:
            room.awareness.apply_awareness_update(encode_entries([entry]), "a test")
        await wait_all_tasks_blocked()
        assert len(late.awareness.states) == 100
        async with connect("memory") as later:
            await wait_all_tasks_blocked()
            assert len(later.awareness.states) == 100


async def test_a_frame_of_thousands_of_messages_is_refused() -> None:
    async with bind("memory"), connect("memory").open() as channel:
        await channel.send(b"\x66\x00" * 100_000)
        with fail_after(5):
            async for _ in channel:
                pass
        assert channel.close_code == 1002


async def test_content_that_the_server_refuses_is_not_sent_for_ever() -> None:
    value: list[Any] = []
    for _ in range(150):
        value = [value]
    async with bind("memory"):
        with fail_after(10), pytest.raises(ConnectionRejectedError, match="1007"):
            async with connect("memory", close_timeout=0.1) as client:
                client.doc["array"] = Array([value])
                await sleep_forever()


async def test_a_wire_whose_sending_breaks_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when its receiving does not notice."""

    async with bind("memory", close_timeout=0.05) as server, connect("memory") as client:
        room = await server.rooms.get("")
        (channel,) = room.clients

        def fail(message: bytes) -> bool:
            raise BrokenResourceError

        monkeypatch.setattr(channel, "send_nowait", fail)
        lost = client.synchronized
        room.doc["text"] = Text("x")
        with fail_after(10):
            while client.synchronized is lost:
                await wait_all_tasks_blocked()
            await client.synchronized.wait()
            await wait_all_tasks_blocked()
        assert text_of(client.doc) == "x"


async def test_who_leaves_says_so() -> None:
    """Some servers keep a state when its connection ends."""
    told: list[AwarenessEntry] = []

    class Keeping(ForeignRoom):
        async def on_message(self, client: Channel, kind: Kind, payload: bytes) -> None:
            if kind is Kind.AWARENESS:
                told.extend(decode_awareness(payload))
            await super().on_message(client, kind, payload)

    async with bind("memory", Keeping):
        async with connect("memory") as shown, connect("memory") as unseen:
            shown.awareness.set_local_state({"name": "Ann"})
            await shown.flush()
            await unseen.flush()
        await wait_all_tasks_blocked()
    assert [entry.state for entry in told] == ['{"name":"Ann"}', "null"]
    assert told[0].client == told[1].client == shown.doc.client_id
    assert told[1].clock == told[0].clock
