"""What `bind` and `connect` have to do over a wire: documents in sync, faults contained."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest
from anyio import (
    TASK_STATUS_IGNORED,
    BrokenResourceError,
    CancelScope,
    Event,
    current_time,
    sleep_forever,
)
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from pycrdt import Awareness, Doc, Map, Text

from ycore.channel import Channel
from ycore.client import ClientWire
from ycore.errors import MessageTooLargeError
from ycore.protocol import Kind, decode, encode_step1, encode_update
from ycore.room import Room
from ycore.server import ServerWire
from ycore.tasks import background_tasks

from .harness import KIB, Running, WireSuite
from .waiting import until

__all__ = ["DocumentConformance"]

ROOM = "room"

GARBAGE = {
    "empty": b"",
    "truncated": b"\x00",
    "short": b"\x00\x02\x7fabc",
    "no-update": b"\x00\x02\x04\xff\xff\xff\xff",
    "no-awareness": b"\x01\x03\x05\x01\x01",
    "no-sync": b"\x00\x09\x01\x00",
    "trailing": b"\x00\x00\x01\x00\xff\xff\xff",
    "noise": b"\x00\x02" + bytes(range(255, 100, -7)),
}

PROTOCOL_ERRORS = (1002, 1007)
INTERNAL_ERROR = 1011
TOO_LARGE = 1009
GOING = (1001, 1012)
"""The server goes away, or the room closes because it does."""

SLACK = 3.0
"""So much longer than its bound something may take on a busy machine, in seconds."""


class DocumentConformance(WireSuite):
    """Tests of servers and clients that share documents over a wire."""

    def client(self, server: ServerWire, id: str = ROOM, **options: Any) -> ClientWire:  # noqa: A002
        """Make a client in a room."""
        return self.make_client(server, id=id, **options)

    async def until_text(self, doc: Doc[Any], expected: str) -> None:
        """Wait until a document holds a text."""
        text = _text(doc)
        await until(doc, lambda: str(text) == expected, timeout=0.9 * self.time_limit)

    async def until_length(self, doc: Doc[Any], length: int) -> None:
        """Wait until a document holds a text of a length."""
        text = _text(doc)
        await until(doc, lambda: len(text) == length, timeout=0.9 * self.time_limit)

    async def until_keys(self, doc: Doc[Any], count: int) -> None:
        """Wait until a document holds a map of so many keys."""
        shared = doc.get("map", type=Map)
        await until(doc, lambda: len(shared) == count, timeout=0.9 * self.time_limit)

    # In sync

    async def test_two_clients_converge(self) -> None:
        """What each writes, the other one sees."""
        async with self.serving() as server, self.client(server) as ann, self.client(server) as bob:
            _write(ann.doc, "Hello")
            await self.until_text(bob.doc, "Hello")
            _write(bob.doc, ", world")
            await self.until_text(ann.doc, "Hello, world")

    async def test_concurrent_edits_converge(self) -> None:
        """Edits made at the same time meet."""
        async with self.serving() as server, self.client(server) as ann, self.client(server) as bob:
            for number in range(100):
                _write(ann.doc, "a")
                _write(bob.doc, "b")
                if number % 10 == 0:
                    await checkpoint()
            for doc in (ann.doc, bob.doc):
                await self.until_length(doc, 200)
            assert str(_text(ann.doc)) == str(_text(bob.doc))

    async def test_a_late_joiner_has_the_content_on_entering(self) -> None:
        """Entering returns with the room's content."""
        async with self.serving() as server, self.client(server) as ann:
            _write(ann.doc, "early")
            await ann.flush()
            async with self.client(server) as bob:
                assert str(_text(bob.doc)) == "early"
                assert bob.synchronized.is_set()

    async def test_many_clients_converge(self) -> None:
        """Twenty clients in one room see each other's edits."""
        async with self.serving() as server, AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(self.client(server)) for _ in range(20)]
            for number, client in enumerate(clients):
                client.doc.get("map", type=Map)[str(number)] = number
            for client in clients:
                await self.until_keys(client.doc, len(clients))

    async def test_rooms_are_apart(self) -> None:
        """A client sees the edits of its own room only."""
        async with (
            self.serving() as server,
            self.client(server, "one") as ann,
            self.client(server, "two") as bob,
        ):
            _write(ann.doc, "1")
            _write(bob.doc, "2")
            await ann.flush()
            await bob.flush()
            async with self.client(server, "one") as cas, self.client(server, "two") as dan:
                assert str(_text(cas.doc)) == "1"
                assert str(_text(dan.doc)) == "2"

    async def test_the_server_opens_the_room_of_the_id(self) -> None:
        """The room's id is the client's."""
        room_id = "a/b c?é"
        async with self.serving() as server, self.client(server, room_id):
            assert [room.id for room in server.rooms] == [room_id]

    async def test_any_text_arrives(self) -> None:
        """Text beyond the basic plane survives, edits next to it too."""
        async with self.serving() as server, self.client(server) as ann, self.client(server) as bob:
            _write(ann.doc, "Grüße 👋🏽 世界 \x00\n")
            await self.until_text(bob.doc, "Grüße 👋🏽 世界 \x00\n")
            _write(bob.doc, "🏁")
            await self.until_text(ann.doc, "Grüße 👋🏽 世界 \x00\n🏁")

    async def test_a_big_document_arrives(self) -> None:
        """A mebibyte arrives in a room, and at a late joiner."""
        big = "0123456789abcdef" * (64 * KIB)
        async with self.serving() as server, self.client(server) as ann, self.client(server) as bob:
            _write(ann.doc, big)
            await self.until_length(bob.doc, len(big))
            async with self.client(server) as cas:
                assert len(_text(cas.doc)) == len(big)
                is_same = str(_text(cas.doc)) == big
                assert is_same

    async def test_a_document_that_exists_is_shared(self) -> None:
        """What a client brings along reaches the room."""
        doc: Doc[Any] = Doc()
        _write(doc, "brought")
        async with (
            self.serving() as server,
            self.client(server) as ann,
            self.client(server, doc=doc) as bob,
        ):
            assert bob.doc is doc
            await self.until_text(ann.doc, "brought")

    # Arriving

    async def test_flush_waits_until_edits_have_arrived(self) -> None:
        """After `flush` the server has applied what was edited before."""
        async with self.serving() as server, self.client(server) as ann:
            room = await server.rooms.get(ROOM)
            for number in range(20):
                _write(ann.doc, "x")
                await ann.flush()
                assert len(_text(room.doc)) == number + 1

    async def test_edits_made_right_before_leaving_arrive(self) -> None:
        """Leaving sends what is unsent."""
        async with self.serving() as server, self.client(server):
            room = await server.rooms.get(ROOM)
            async with self.client(server) as ann:
                for _ in range(20):
                    _write(ann.doc, "last words" * 10_000)
            assert len(_text(room.doc)) == 2_000_000

    async def test_push(self) -> None:
        """Without `auto_push`, edits wait for `push`."""
        async with (
            self.serving() as server,
            self.client(server) as bob,
            self.client(server, auto_push=False) as ann,
        ):
            _write(ann.doc, "a")
            # What others write arrives, and a round trip later the edit still has not left.
            _write(bob.doc, "b")
            await until(ann.doc, lambda: "b" in str(_text(ann.doc)))
            await bob.flush()
            assert str(_text(bob.doc)) == "b"
            ann.push()
            await until(bob.doc, lambda: sorted(str(_text(bob.doc))) == ["a", "b"])

    async def test_pull(self) -> None:
        """Without `auto_pull`, what others write waits for `pull`."""
        async with (
            self.serving() as server,
            self.client(server) as bob,
            self.client(server, auto_pull=False) as ann,
        ):
            _write(bob.doc, "b")
            await bob.flush()
            _write(ann.doc, "a")
            # The answer comes behind what the server has sent before.
            await ann.flush()
            assert str(_text(ann.doc)) == "a"
            ann.pull()
            assert sorted(str(_text(ann.doc))) == ["a", "b"]

    # Presence

    async def test_awareness_is_shared_while_a_client_is_there(self) -> None:
        """Others see a client's state, its changes, and that it has left."""
        async with self.serving() as server, self.client(server) as bob:
            states = bob.awareness.states
            async with self.client(server) as ann:
                me = ann.awareness.client_id
                ann.awareness.set_local_state({"name": "Ann 👋"})
                await until(bob.awareness, lambda: _name(bob.awareness, me) == "Ann 👋")
                ann.awareness.set_local_state({"name": "Ann B."})
                await until(bob.awareness, lambda: _name(bob.awareness, me) == "Ann B.")
                async with self.client(server) as cas:
                    await until(cas.awareness, lambda: _name(cas.awareness, me) == "Ann B.")
            await until(bob.awareness, lambda: me not in states)

    # The connection is lost

    async def test_clients_come_back_after_a_restart(self) -> None:
        """A server on the same address gets the clients back, with what they wrote meanwhile."""
        with self.bounded():
            async with background_tasks() as tasks:
                first = await self.start(tasks)
                server = first.server
                async with self.client(server) as ann, self.client(server) as bob:
                    _write(ann.doc, "a")
                    await self.until_text(bob.doc, "a")
                    await first.stop()
                    _write(ann.doc, "b")
                    _write(bob.doc, "c")
                    second = await self.start(tasks, **self.same_address(server))
                    _write(ann.doc, "d")
                    for client in (ann, bob):
                        await self.until_length(client.doc, 4)
                        assert sorted(str(_text(client.doc))) == [*"abcd"]
                    assert str(_text(ann.doc)) == str(_text(bob.doc))
                await second.stop()

    async def test_the_exit_of_the_server_tells_clients(self) -> None:
        """A server that ends closes its channels with a transient code."""
        with self.bounded():
            async with background_tasks() as tasks:
                running = await self.start(tasks)
                async with self.open_raw(running.server, ROOM) as channel:
                    await channel.receive()
                    tasks.start_soon(running.stop)
                    async for _ in channel:
                        pass
                    assert channel.close_code in GOING

    async def test_a_lost_client_without_reconnect_stops(self) -> None:
        """With `reconnect=False`, the end of the server ends the client with an error."""
        with self.bounded():
            async with background_tasks() as tasks:
                running = await self.start(tasks)
                with pytest.raises(ConnectionError):
                    await self._stop_under_a_client(running)

    async def _stop_under_a_client(self, running: Running) -> None:
        async with self.client(running.server, reconnect=False):
            await running.stop()
            await sleep_forever()

    async def test_a_client_that_vanishes_harms_nobody(self) -> None:
        """A client that is cancelled while it writes leaves the room, and the others go on."""
        async with self.serving() as server, self.client(server) as bob:
            async with background_tasks() as tasks:
                scope, writing = CancelScope(), Event()
                tasks.start_soon(self._write_until_cancelled, server, scope, writing)
                await writing.wait()
                scope.cancel()
            await self._check_alive(server, bob)

    async def _write_until_cancelled(
        self, server: ServerWire, scope: CancelScope, writing: Event
    ) -> None:
        doc: Doc[Any] = Doc()
        with scope:
            async with self.open_raw(server, ROOM) as channel:
                await channel.send(encode_step1(b"\x00"))
                for number in range(10_000):
                    doc.get("map", type=Map)["x" * 10_000] = number
                    await channel.send(encode_update(doc.get_update()))
                    if number == 20:
                        writing.set()

    async def test_a_connection_cut_in_mid_message_harms_nobody(self) -> None:
        """Half a message is none."""
        async with self.serving() as server, self.client(server) as bob:
            await self.cut_in_mid_message(server, ROOM)
            await self._check_alive(server, bob)

    # Faults are contained

    @pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
    async def test_garbage_ends_its_own_channel_only(self, garbage: bytes) -> None:
        """A client that breaks the protocol is closed with a code that says so."""
        async with self.serving() as server, self.client(server) as bob:
            async with self.open_raw(server, ROOM) as channel:
                await channel.send(garbage)
                async for _ in channel:
                    pass
                assert channel.close_code in PROTOCOL_ERRORS
            await self._check_alive(server, bob)

    async def test_a_message_over_the_servers_limit_ends_its_own_channel_only(self) -> None:
        """A client with a greater limit than the server's is refused; others are not."""
        async with self.serving(max_message_size=1000) as server, self.client(server) as bob:
            async with self.open_raw(server, ROOM) as channel:
                try:
                    await channel.send(bytes(2000))
                    async for _ in channel:
                        pass
                    assert channel.close_code == TOO_LARGE
                except (MessageTooLargeError, BrokenResourceError):
                    # The first if the ends of this wire have told each other their limits.
                    pass
            await self._check_alive(server, bob)

    async def test_a_room_that_raises_ends_its_own_clients_only(self) -> None:
        """An exception in `Room.serve` closes that channel with 1011."""
        async with self.serving(_room_or_failing) as server, self.client(server) as bob:
            async with self.open_raw(server, "bad") as channel:
                async for _ in channel:
                    pass
                assert channel.close_code == INTERNAL_ERROR
            await self._check_alive(server, bob)

    async def test_a_room_that_cannot_be_made_refuses_its_own_clients_only(self) -> None:
        """An exception in the room factory refuses the client with 1011."""
        async with self.serving(_room_or_error) as server, self.client(server) as bob:
            with pytest.raises(ConnectionError, match="1011"):
                async with self.client(server, "bad"):
                    pass
            await self._check_alive(server, bob)

    async def test_a_slow_client_holds_up_nobody(self) -> None:
        """One client never reads: the others get all updates, and it too once it reads."""
        async with (
            self.serving() as server,
            self.client(server) as ann,
            self.client(server) as bob,
            self.open_raw(server, ROOM) as slow,
        ):
            await slow.send(encode_step1(b"\x00"))
            written = ann.doc.get("map", type=Map)
            for number in range(2000):
                written[str(number)] = "x" * 3000
                if number % 10 == 0:
                    await checkpoint()
            await self.until_keys(bob.doc, 2000)
            doc: Doc[Any] = Doc()
            while "1999" not in doc.get("map", type=Map):
                _apply(doc, await slow.receive())
            assert len(doc.get("map", type=Map)) == 2000

    async def _check_alive(self, server: ServerWire, there: ClientWire) -> None:
        """Check that a client which was there, and a new one, are served."""
        async with self.client(server) as new:
            new.doc.get("alive", type=Map)["new"] = True
            shared = there.doc.get("alive", type=Map)
            await until(there.doc, lambda: "new" in shared)
            shared["there"] = True
            await until(new.doc, lambda: "there" in new.doc.get("alive", type=Map))

    # Addresses and options

    async def test_an_address_in_use_is_refused(self) -> None:
        """Entering a second server on the same address raises `OSError`; the first one goes on."""
        if not self.exclusive_address:
            pytest.skip("several servers of this wire may have one address")
        async with self.serving() as server, self.client(server) as bob:
            with pytest.raises(OSError, match=r"\w"):
                async with self.make_server(**self.same_address(server)):
                    pass
            await self._check_alive(server, bob)

    async def test_an_address_is_free_again_after_the_server(self) -> None:
        """Servers follow each other on one address at once."""
        async with self.serving() as server:
            pass
        for _ in range(3):
            async with self.serving(**self.same_address(server)) as server, self.client(server):
                pass

    async def test_an_unreachable_server_is_an_error_in_time(self) -> None:
        """Where nobody listens, entering raises `ConnectionError`, which names the address."""
        async with self.serving() as server:
            pass
        with self.bounded():
            started = current_time()
            client = self.client(server, connect_timeout=5)
            with pytest.raises(ConnectionError) as caught:
                async with client:
                    pass
            assert current_time() - started < 5 + SLACK
            assert client.address in str(caught.value)

    async def test_addresses_can_be_read(self) -> None:
        """Both sides tell where the server is."""
        async with self.serving() as server:
            assert server.address
            assert self.client(server).address

    async def test_a_misspelt_option_is_refused(self) -> None:
        """An option that the wire does not take is a `TypeError` that names it, in the call."""
        async with self.serving() as server:
            with pytest.raises(TypeError, match="conect_timeout"):
                self.client(server, conect_timeout=1)
            with pytest.raises(TypeError, match="max_mesage_size"):
                self.make_server(max_mesage_size=1)


class _FailingRoom(Room):
    async def serve(
        self,
        client: Channel,
        *,
        task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
    ) -> None:
        task_status.started()
        raise RuntimeError("on purpose, in serve")


def _room_or_failing(id: str) -> Room:  # noqa: A002
    return _FailingRoom(id) if id == "bad" else Room(id)


def _room_or_error(id: str) -> Room:  # noqa: A002
    if id == "bad":
        raise RuntimeError("on purpose, in the room factory")
    return Room(id)


def _text(doc: Doc[Any]) -> Text:
    text: Text = doc.get("text", type=Text)
    return text


def _write(doc: Doc[Any], addition: str) -> None:
    text = _text(doc)
    text += addition


def _name(awareness: Awareness, client: int) -> object:
    return awareness.states.get(client, {}).get("name")


def _apply(doc: Doc[Any], frame: bytes) -> None:
    for kind, payload in decode(frame):
        if kind in (Kind.STEP2, Kind.UPDATE):
            doc.apply_update(payload)
