"""The client side: connecting, leaving, coming back, knowing what has arrived."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, ClassVar

import pytest
from anyio import (
    TASK_STATUS_IGNORED,
    CancelScope,
    ClosedResourceError,
    Event,
    create_task_group,
    fail_after,
    get_running_tasks,
    move_on_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.abc import TaskStatus
from pycrdt import Array, Doc, Map, Text, TransactionEvent

from ycore import (
    Channel,
    ClientWire,
    ConnectError,
    ConnectionRejectedError,
    ConnectTimeoutError,
    MessageTooLargeError,
    Room,
    Rooms,
    Status,
    UnsentEditsError,
    bind,
    connect,
)
from ycore.protocol import Kind
from ycore.replica import LARGE, Replica
from ycore.session import WALKS


class RefusingRoom(Room):
    """Closes whoever comes, with a code."""

    code = 4403

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        await client.aclose(self.code, "not you")


class GateRoom(Room):
    """Serves clients while its gate is open."""

    is_open = True
    present: ClassVar[set[CancelScope]] = set()

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        if not self.is_open:
            await client.aclose(1013, "closed for now")
            return
        with CancelScope() as scope:
            self.present.add(scope)
            await super().serve(client, task_status=task_status)

    @classmethod
    def close(cls) -> None:
        cls.is_open = False
        for scope in cls.present:
            scope.cancel()


@pytest.fixture(autouse=True)
def gate() -> None:
    GateRoom.is_open = True
    GateRoom.present = set()


async def _offline(client: ClientWire) -> None:
    with fail_after(5):
        while client.status is Status.CONNECTED:
            await wait_all_tasks_blocked()


async def test_a_client_gets_and_gives_content() -> None:
    theirs = Doc[Any]()
    theirs["text"] = Text("hello")
    async with bind("memory") as server:
        async with connect("memory", doc=theirs):
            pass
        async with connect("memory") as client:
            assert client.status is Status.CONNECTED
            assert client.synchronized.is_set()
            assert str(client.doc.get("text", type=Text)) == "hello"
            client.doc["map"] = Map({"key": [1, 2]})
            client.doc["array"] = Array(["é", None])
            await client.flush()
            room = await server.rooms.get("")
            assert room.doc.get("map", type=Map).to_py() == {"key": [1, 2]}
            assert room.doc.get("array", type=Array).to_py() == ["é", None]
        assert str(client.status) == "disconnected"


async def test_edits_made_right_before_leaving_arrive() -> None:
    async with bind("memory") as server:
        async with connect("memory") as client:
            text = client.doc.get("text", type=Text)
            for number in range(1000):
                text += f"{number} "
        room = await server.rooms.get("")
        assert str(room.doc.get("text", type=Text)).split() == [str(n) for n in range(1000)]


async def test_edits_made_before_a_cancellation_or_an_error_arrive() -> None:
    async with bind("memory") as server:
        with pytest.raises(ZeroDivisionError):
            async with connect("memory") as client:
                client.doc["one"] = Text("1")
                raise ZeroDivisionError
        with move_on_after(0):
            async with connect("memory", id="unreached"):
                raise AssertionError("connected")
        async with create_task_group() as tasks:
            entered = Event()

            async def edit() -> None:
                async with connect("memory") as client:
                    client.doc["two"] = Text("2")
                    entered.set()
                    await sleep_forever()

            tasks.start_soon(edit)
            await entered.wait()
            tasks.cancel_scope.cancel()
        room = await server.rooms.get("")
        assert str(room.doc.get("one", type=Text)) == "1"
        assert str(room.doc.get("two", type=Text)) == "2"


async def test_a_client_is_used_once() -> None:
    async with bind("memory"):
        client = connect("memory")
        async with client:
            pass
        with pytest.raises(RuntimeError, match="used once"):
            async with client:
                raise AssertionError("entered")
        with pytest.raises(ClosedResourceError):
            await client.flush()


async def test_a_server_can_be_entered_again() -> None:
    """An application that is started again, as by tests, may have but one."""
    server = bind("memory")
    for _ in range(2):
        async with server, connect("memory") as client:
            assert str(client.doc.get("text", type=Text)) == ""
            client.doc["text"] = Text("gone with its room")
            await client.flush()
            with pytest.raises(RuntimeError, match="entered"):
                async with server:
                    raise AssertionError("entered twice")


async def test_no_server_is_a_connection_error() -> None:
    with pytest.raises(ConnectionError, match=r"memory server 'there'.*bind") as caught:
        async with connect("memory", name="there"):
            raise AssertionError("connected")
    assert isinstance(caught.value, ConnectError)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


async def test_a_server_that_does_not_answer_is_a_timeout() -> None:
    class SilentRoom(Room):
        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            await sleep_forever()

    async with bind("memory", SilentRoom):
        with pytest.raises(TimeoutError, match=r"did not answer within 0\.05 s") as caught:
            async with connect("memory", connect_timeout=0.05):
                raise AssertionError("connected")
        assert isinstance(caught.value, ConnectTimeoutError)
        assert isinstance(caught.value, ConnectionError)


async def test_content_that_takes_longer_to_check_than_to_connect_is_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large, timeout = "x" * (LARGE + 1), 3.0
    update, walk = Doc({"text": Text(large)}).get_update(), WALKS[Kind.STEP2]

    def walk_slowly(payload: bytes) -> Generator[None, None, object]:
        end = perf_counter() + 1.2 * timeout
        while perf_counter() < end:
            yield
        return (yield from walk(payload))

    monkeypatch.setitem(WALKS, Kind.STEP2, walk_slowly)

    class LargeRoom(Room):
        async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
            self.doc.apply_update(update)
            await super().run(task_status=task_status)

    async with bind("memory", LargeRoom) as server:
        await server.rooms.get("")
        async with connect("memory", connect_timeout=timeout) as client:
            assert str(client.doc.get("text", type=Text)) == large


async def test_a_permanent_refusal_is_raised() -> None:
    async with bind("memory", RefusingRoom):
        with pytest.raises(ConnectionRejectedError, match="4403 not you") as caught:
            async with connect("memory"):
                raise AssertionError("connected")
        assert (caught.value.code, caught.value.reason) == (4403, "not you")


async def test_a_permanent_refusal_ends_a_client_that_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bind("memory", GateRoom):
        with fail_after(10), pytest.raises(ConnectionRejectedError, match="4401"):
            async with connect("memory"):

                async def refuse(
                    self: Room,
                    client: Channel,
                    *,
                    task_status: TaskStatus[None] = TASK_STATUS_IGNORED,
                ) -> None:
                    await client.aclose(4401, "your time is up")

                monkeypatch.setattr(GateRoom, "serve", refuse)
                GateRoom.close()
                await sleep_forever()


async def test_a_client_that_must_not_come_back_raises() -> None:
    async with bind("memory", GateRoom):
        with fail_after(10), pytest.raises(ConnectError, match="closed the connection: 1001"):
            async with connect("memory", reconnect=False):
                GateRoom.close()
                await sleep_forever()


async def test_edits_made_while_disconnected_are_merged() -> None:
    async with (
        bind("memory", GateRoom) as server,
        connect("memory") as one,
        connect("memory") as two,
    ):
        GateRoom.close()
        await _offline(one)
        await _offline(two)
        assert not one.synchronized.is_set()
        one.doc["one"] = Text("1")
        two.doc["two"] = Text("2")
        room = await server.rooms.get("")
        room.doc["room"] = Text("r")
        GateRoom.is_open = True
        with fail_after(20):
            await one.flush()
            await two.flush()
            await one.synchronized.wait()
            await wait_all_tasks_blocked()
        for doc in (one.doc, two.doc, room.doc):
            assert [str(doc.get(n, type=Text)) for n in ("one", "two", "room")] == ["1", "2", "r"]


async def test_leaving_with_the_server_gone_raises(caplog: pytest.LogCaptureFixture) -> None:
    async with bind("memory", GateRoom):
        with fail_after(5), pytest.raises(UnsentEditsError, match="room 'x' did not arrive"):
            async with connect("memory", id="x", close_timeout=0.05) as client:
                GateRoom.close()
                await _offline(client)
                client.doc["unsent"] = Text("!")
        GateRoom.is_open = True
        with fail_after(5), pytest.raises(ZeroDivisionError):
            async with connect("memory", id="x", close_timeout=0.05) as client:
                GateRoom.close()
                await _offline(client)
                client.doc["unsent"] = Text("!")
                raise ZeroDivisionError
        assert "the last edits of room 'x' did not arrive" in caplog.text
        GateRoom.is_open = True
        with fail_after(5):
            async with connect("memory", id="x", close_timeout=0.05) as client:
                GateRoom.close()
                await _offline(client)


async def test_a_flush_waits_for_the_connection_and_can_be_cancelled() -> None:
    async with bind("memory", GateRoom) as server:
        async with connect("memory") as client:
            await client.flush()
            GateRoom.close()
            await _offline(client)
            client.doc["text"] = Text("late")
            with move_on_after(0.01) as scope:
                await client.flush()
            assert scope.cancelled_caught
            GateRoom.is_open = True
            with fail_after(20):
                await client.flush()
            room = await server.rooms.get("")
            assert str(room.doc.get("text", type=Text)) == "late"


async def test_a_flush_outside_ends_with_the_client() -> None:
    flushed = Event()

    async with create_task_group() as tasks:

        async def flush(client: ClientWire) -> None:
            with pytest.raises(ClosedResourceError):
                await client.flush()
            flushed.set()

        with fail_after(10), pytest.raises(UnsentEditsError):
            async with bind("memory", GateRoom):
                async with connect("memory", close_timeout=0.05) as client:
                    GateRoom.close()
                    await _offline(client)
                    client.doc["text"] = Text("late")
                    tasks.start_soon(flush, client)
                    await wait_all_tasks_blocked()
        with fail_after(5):
            await flushed.wait()


async def test_push_and_pull_by_hand() -> None:
    async with (
        bind("memory") as server,
        connect("memory") as other,
        connect("memory", auto_push=False, auto_pull=False) as client,
    ):
        room = await server.rooms.get("")
        theirs = other.doc.get("text", type=Text)
        ours = client.doc.get("text", type=Text)
        theirs += "Hello, "
        await other.flush()
        await wait_all_tasks_blocked()
        assert str(ours) == ""
        assert not client.synchronized.is_set()
        client.pull()
        assert str(ours) == "Hello, "
        assert client.synchronized.is_set()
        ours += "World!"
        await client.flush()
        assert str(room.doc.get("text", type=Text)) == "Hello, "
        client.push()
        await client.flush()
        assert str(room.doc.get("text", type=Text)) == "Hello, World!"
        theirs += "!"
        await other.flush()
        await wait_all_tasks_blocked()
        assert not client.synchronized.is_set()
        client.pull()
        assert str(ours) == "Hello, World!!"


async def test_a_pushed_edit_leaves_although_there_is_no_connection_yet() -> None:
    async with bind("memory", GateRoom) as server:
        async with connect("memory", auto_push=False) as client:
            GateRoom.close()
            await _offline(client)
            client.doc["pushed"] = Text("1")
            client.push()
            GateRoom.is_open = True
            with fail_after(20):
                await client.flush()
            room = await server.rooms.get("")
            assert str(room.doc.get("pushed", type=Text)) == "1"
            client.doc["kept"] = Text("2")
        assert "kept" not in list(room.doc.keys())


async def test_what_was_there_before_is_not_pushed_by_itself() -> None:
    doc = Doc[Any]()
    doc["mine"] = Text("private")
    async with bind("memory") as server:
        async with connect("memory", doc=doc, auto_push=False) as client:
            await client.flush()
            room = await server.rooms.get("")
            assert "mine" not in list(room.doc.keys())
            client.push()
            await client.flush()
            assert "mine" in list(room.doc.keys())


async def test_a_document_connected_to_two_servers_bridges_them() -> None:
    async with (
        bind("memory", name="left") as left,
        bind("memory", name="right") as right,
    ):
        bridge = Doc[Any]()
        async with (
            connect("memory", name="left", doc=bridge),
            connect("memory", name="right", doc=bridge),
            connect("memory", name="left") as one,
            connect("memory", name="right") as two,
        ):
            texts = [client.doc.get("text", type=Text) for client in (one, two)]
            rooms = [await server.rooms.get("") for server in (left, right)]
            seen = 0

            def count(_event: object) -> None:
                nonlocal seen
                seen += 1

            subscriptions = [(room, room.doc.observe(count)) for room in rooms]
            texts[0] += "from the left "
            await wait_all_tasks_blocked()
            texts[1] += "and from the right"
            await wait_all_tasks_blocked()
            assert {str(text) for text in texts} == {"from the left and from the right"}
            # Each edit once on each side: nothing goes round.
            assert seen == 4
            for room, subscription in subscriptions:
                room.doc.unobserve(subscription)


async def test_rooms_can_be_chained() -> None:
    class Replica(Room):
        async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
            await self.task_group.start(self.follow)
            await super().run(task_status=task_status)

        async def follow(self, *, task_status: TaskStatus[None]) -> None:
            async with connect("memory", id=self.id, doc=self.doc, name="origin"):
                task_status.started()
                await sleep_forever()

    async with (
        bind("memory", name="origin"),
        bind("memory", Replica, name="one"),
        bind("memory", Replica, name="two"),
        connect("memory", id="x", name="one") as one,
        connect("memory", id="x", name="two") as two,
    ):
        text = one.doc.get("text", type=Text)
        text += "Hello"
        await wait_all_tasks_blocked()
        assert str(two.doc.get("text", type=Text)) == "Hello"


async def test_several_wires_serve_one_set_of_rooms() -> None:
    async with (
        Rooms() as rooms,
        bind("memory", name="a", rooms=rooms) as server,
        bind("memory", name="b", rooms=rooms),
        connect("memory", name="a") as one,
        connect("memory", name="b") as two,
    ):
        assert server.rooms is rooms
        one.doc["text"] = Text("shared")
        await wait_all_tasks_blocked()
        assert str(two.doc.get("text", type=Text)) == "shared"
        assert len(rooms) == 1
        assert len((await rooms.get("")).clients) == 2


async def test_a_message_over_the_limit_is_an_error_that_names_size_and_limit() -> None:
    async with bind("memory"):
        with fail_after(5), pytest.raises(MessageTooLargeError, match="limit of 1000") as caught:
            async with connect("memory", max_message_size=1000, close_timeout=0.05) as client:
                client.doc["text"] = Text("x" * 1000)
                await sleep_forever()
        assert caught.value.limit == 1000
        assert caught.value.size is not None
        assert caught.value.size > 1000


async def test_a_document_over_the_servers_limit_is_refused_for_good() -> None:
    async with bind("memory", max_message_size=1000):
        with fail_after(5), pytest.raises(ConnectionRejectedError, match="1009"):
            async with connect("memory", close_timeout=0.05) as client:
                client.doc["text"] = Text("x" * 1000)
                await sleep_forever()


async def test_awareness() -> None:
    async with bind("memory") as server, connect("memory") as one:
        one.awareness.set_local_state({"name": "Zoë", "cursor": None, "nested": [{"a": 1}]})
        await wait_all_tasks_blocked()
        room = await server.rooms.get("")
        assert list(room.awareness.states) == [one.doc.client_id]
        async with connect("memory") as two:
            # A late joiner sees everybody; the server is no ghost, nor is who has set nothing.
            await wait_all_tasks_blocked()
            assert two.awareness.states[one.doc.client_id] == one.awareness.get_local_state()
            assert set(two.awareness.states) == {one.doc.client_id, two.doc.client_id}
            assert set(one.awareness.states) == {one.doc.client_id}
            two.awareness.set_local_state_field("name", "Bob")
            await wait_all_tasks_blocked()
            assert one.awareness.states[two.doc.client_id] == {"name": "Bob"}
            one.awareness.set_local_state(None)
            await wait_all_tasks_blocked()
            assert set(two.awareness.states) == {two.doc.client_id}
        await wait_all_tasks_blocked()
        assert two.doc.client_id not in one.awareness.states
        assert room.awareness.states == {}
        room.awareness.set_local_state({"name": "the room"})
        await wait_all_tasks_blocked()
        assert one.awareness.states == {room.doc.client_id: {"name": "the room"}}


async def test_who_has_set_nothing_is_not_seen_however_long_it_stays() -> None:
    async with bind("memory") as server, connect("memory") as one:
        # What pycrdt does every 15 s.
        one.awareness.set_local_state(one.awareness.get_local_state())
        await one.flush()
        await wait_all_tasks_blocked()
        room = await server.rooms.get("")
        assert room.awareness.states == {}
        one.awareness.set_local_state({"name": "Ann"})
        one.awareness.set_local_state({})
        await wait_all_tasks_blocked()
        assert room.awareness.states == {one.doc.client_id: {}}


@pytest.mark.parametrize("state", [{"name": "Ann"}, 0, "", []])
async def test_a_state_that_was_set_before_is_seen(state: Any) -> None:
    early = connect("memory")
    early.awareness.set_local_state(state)
    async with bind("memory") as server, early:
        await wait_all_tasks_blocked()
        room = await server.rooms.get("")
        assert room.awareness.states == {early.doc.client_id: state}


async def test_a_client_is_visible_at_once_after_it_has_come_back() -> None:
    async with bind("memory", GateRoom), connect("memory") as one:
        one.awareness.set_local_state_field("name", "Ann")
        GateRoom.close()
        await _offline(one)
        GateRoom.is_open = True
        with fail_after(20):
            await one.synchronized.wait()
        async with connect("memory") as two:
            await wait_all_tasks_blocked()
            assert two.awareness.states[one.doc.client_id] == {"name": "Ann"}
            GateRoom.close()
            await _offline(two)
            # Who is gone from sight is gone from the list.
            assert set(two.awareness.states) == {two.doc.client_id}


async def test_a_client_corrects_what_is_said_of_it() -> None:
    async with bind("memory") as server, connect("memory") as one:
        one.awareness.set_local_state({"name": "Ann"})
        await wait_all_tasks_blocked()
        room = await server.rooms.get("")
        room.awareness.remove_awareness_states([one.doc.client_id], "by mistake")
        await wait_all_tasks_blocked()
        assert room.awareness.states == {one.doc.client_id: {"name": "Ann"}}
        assert one.awareness.states == {one.doc.client_id: {"name": "Ann"}}


async def test_nothing_is_left_of_clients_that_came_and_went() -> None:
    async with bind("memory"):
        async with connect("memory"):
            before = len(get_running_tasks())
            for _ in range(20):
                async with connect("memory") as client:
                    client.doc["text"] = Text("x")
            await wait_all_tasks_blocked()
            assert len(get_running_tasks()) == before


async def test_who_comes_and_goes_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ycore")
    async with bind("memory"), connect("memory", id="the room"):
        pass
    joined, connected, left = [record.getMessage() for record in caplog.records]
    assert "'the room'" in joined
    assert "joined" in joined
    assert "connected" in connected
    assert "left" in left


async def test_the_end_of_a_server_is_told_with_1001() -> None:
    may_end = Event()

    async def serve(*, task_status: TaskStatus[None]) -> None:
        async with bind("memory"):
            task_status.started()
            await may_end.wait()

    async with create_task_group() as tasks:
        await tasks.start(serve)
        with fail_after(10), pytest.raises(ConnectError, match="closed the connection: 1001"):
            async with connect("memory", reconnect=False):
                may_end.set()
                await sleep_forever()


@asynccontextmanager
async def _bound(name: str) -> AsyncIterator[None]:
    async with bind("memory", name=name):
        yield


async def test_two_servers_of_one_name() -> None:
    async with _bound("x"), _bound("y"):
        with pytest.raises(OSError, match="'x' is already bound"):
            async with _bound("x"):
                raise AssertionError("bound twice")
    async with _bound("x"):
        pass


async def test_a_local_change_that_had_to_wait_for_something_is_sent_then() -> None:
    first, second = Doc[Any](), Doc[Any]()
    text = first.get("text", type=Text)
    text += "a"
    second.apply_update(first.get_update())
    state = second.get_state()
    text = second.get("text", type=Text)
    text += "b"
    async with bind("memory") as server, connect("memory") as one, connect("memory") as two:
        # Nothing happens yet: what it builds on is missing.
        two.doc.apply_update(second.get_update(state))
        await two.flush()
        one.doc.apply_update(first.get_update())
        await wait_all_tasks_blocked()
        room = await server.rooms.get("")
        for doc in (one.doc, two.doc, room.doc):
            assert str(doc.get("text", type=Text)) == "ab"


async def test_a_local_change_is_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[bytes] = []
    record = Replica._record

    def spy(replica: Replica, update: bytes, event: TransactionEvent) -> None:
        recorded.append(update)
        record(replica, update, event)

    async with bind("memory"), connect("memory") as client:
        monkeypatch.setattr(Replica, "_record", spy)
        client.doc["text"] = Text("x")
        assert len(recorded) == 1
