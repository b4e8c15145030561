"""Who may enter a room, and who may only read there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import (
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint
from pycrdt import Doc, Text

from ycore import (
    Access,
    AccessDeniedError,
    AccessRequest,
    Authorize,
    Channel,
    ClientWire,
    ConnectError,
    ConnectionRejectedError,
    Credentials,
    ReadOnlyError,
    Room,
    ServerWire,
    UnsentEditsError,
    bind,
    connect,
    deletions,
    replica,
    session,
)
from ycore.extent import EMPTY_UPDATE, Extent
from ycore.lib0 import encode_uint
from ycore.protocol import (
    Kind,
    decode,
    encode_step1,
    encode_step2,
    encode_update,
)
from ycore.replica import EMPTY_STATE, LARGE
from ycore.testing import until
from ycore.testing.harness import Running

GRANTS = {"writer": Access.READ_WRITE, "reader": Access.READ}


async def by_token(request: AccessRequest) -> Access:
    """The token is what one may do."""
    return GRANTS.get(request.credentials.token or "", Access.NONE)


def text_of(doc: Doc[Any]) -> Text:
    text: Text = doc.get("text", type=Text)
    return text


class Guests:
    """Grants what a test says at the moment."""

    def __init__(self, **grants: Access) -> None:
        self.grants = grants

    async def __call__(self, request: AccessRequest) -> Access:
        return self.grants.get(request.credentials.token or "", Access.NONE)


@asynccontextmanager
async def channel_to(server: ServerWire, **options: Any) -> AsyncIterator[Channel]:
    async with connect("memory", **options).open() as channel:
        yield channel


async def refused(client: ClientWire) -> ConnectionRejectedError:
    with fail_after(5), pytest.raises(ConnectionRejectedError) as caught:
        async with client:
            raise AssertionError("connected")
    return caught.value


async def test_authorize_is_told_who_wants_what() -> None:
    asked: list[AccessRequest] = []

    async def authorize(request: AccessRequest) -> Access:
        asked.append(request)
        return Access.READ_WRITE

    async with bind("memory", authorize=authorize), connect("memory", id="a room", token="secret"):
        pass
    (request,) = asked
    assert (request.room, request.wire) == ("a room", "memory")
    assert request.peer == "memory client of ''"
    assert request.credentials == Credentials(token="secret")


def test_credentials_do_not_get_into_logs() -> None:
    credentials = Credentials(token="secret", cookies={"session": "secret"}, headers={"a": "b"})
    assert repr(credentials) == "<Credentials: token, headers, cookies>"
    request = AccessRequest(room="r", wire="memory", peer="p", credentials=credentials)
    assert "secret" not in f"{request} {request!r}"
    assert repr(Credentials()) == "<Credentials: none>"


async def test_who_may_do_nothing_is_refused_before_the_room_is_loaded() -> None:
    loaded: list[str] = []

    def make(id: str) -> Room:  # noqa: A002
        loaded.append(id)
        return Room(id)

    async with bind("memory", make, authorize=by_token) as server:
        assert (await refused(connect("memory", token="burglar"))).code == 4403
        assert (await refused(connect("memory"))).code == 4401
        assert loaded == []
        assert server.stats().refusals == {"forbidden": 1, "not authenticated": 1}
        async with connect("memory", token="writer"):
            assert loaded == [""]
        assert server.stats().connections == 1


async def test_authorize_says_why() -> None:
    async def authorize(request: AccessRequest) -> Access:
        raise AccessDeniedError("the token has expired", code=4401)

    async with bind("memory", authorize=authorize):
        error = await refused(connect("memory", token="old"))
    assert (error.code, error.reason) == (4401, "the token has expired")


async def broken(request: AccessRequest) -> Access:
    raise ZeroDivisionError


async def mistaken(request: AccessRequest) -> Access:
    return True  # type: ignore[return-value]


async def hanging(request: AccessRequest) -> Access:
    await sleep_forever()
    raise AssertionError


@pytest.mark.parametrize(
    ("authorize", "logged"),
    [
        (broken, "ZeroDivisionError"),
        (mistaken, "authorize must return an Access, not True"),
        (hanging, "TimeoutError"),
    ],
)
async def test_an_authorize_that_fails_lets_nobody_in(
    authorize: Authorize, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be for the moment only, so clients may come again."""
    async with bind("memory", authorize=authorize, handshake_timeout=0.1) as server:
        with fail_after(5), pytest.raises(ConnectError, match="1011 nobody can be let in now") as e:
            async with connect("memory", id="vault", token="secret"):
                raise AssertionError("connected")
        assert not isinstance(e.value, ConnectionRejectedError)
        assert server.stats().refusals == {"authorize failed": 1}
    assert logged in caplog.text
    assert "authorize failed for room 'vault'" in caplog.text
    assert "secret" not in caplog.text


async def test_a_reader_receives_everything_and_is_seen() -> None:
    async with (
        bind("memory", authorize=by_token) as server,
        connect("memory", token="writer") as writer,
        connect("memory", token="reader") as reader,
    ):
        writer.doc["text"] = Text("news")
        await until(reader.doc, lambda: str(text_of(reader.doc)) == "news")
        reader.awareness.set_local_state({"name": "reader"})
        await until(
            writer.awareness, lambda: {"name": "reader"} in writer.awareness.states.values()
        )
        await reader.flush()
        assert server.stats().clients == 2


async def test_changes_of_a_reader_are_dropped_and_it_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bind("memory", authorize=by_token), connect("memory", token="writer") as writer:
        writer.doc["text"] = Text("right")
        await writer.flush()
        with pytest.raises(UnsentEditsError, match="did not arrive") as caught:
            async with connect("memory", token="reader") as reader:
                text = text_of(reader.doc)
                text += " wrong"
                for _ in range(2):
                    with fail_after(5), pytest.raises(ReadOnlyError, match="may not change"):
                        await reader.flush()
        assert isinstance(caught.value.__cause__, ReadOnlyError)
        await writer.flush()
        assert str(text_of(writer.doc)) == "right"
    assert caplog.text.count("does not accept changes") == 1


async def test_what_a_reader_brings_is_dropped_and_it_is_told() -> None:
    doc: Doc[Any] = Doc()
    doc["text"] = Text("my own")
    async with bind("memory", authorize=by_token) as server:
        with pytest.raises(UnsentEditsError):
            async with connect("memory", doc=doc, token="reader") as reader:
                with fail_after(5), pytest.raises(ReadOnlyError):
                    await reader.flush()
        room = await server.rooms.get("")
        assert room.doc.get_state() == EMPTY_STATE


async def test_a_reader_that_brings_nothing_new_is_told_nothing() -> None:
    """It answers the server's question with what it has deleted, which is old."""
    async with bind("memory", authorize=by_token) as server:
        async with connect("memory", token="writer") as writer:
            writer.doc["text"] = Text("some text")
            del text_of(writer.doc)[:5]
            await writer.flush()
            update = writer.doc.get_update()
        async with channel_to(server, token="reader") as channel:
            await channel.send(encode_step1(EMPTY_STATE))
            await channel.send(encode_step2(update))
            await channel.send(encode_update(b"\x00\x00"))
            assert Kind.DENIED not in await kinds_until_echo(channel)


def riddled(length: int) -> bytes:
    """The update of a document with a text, of which every second character is deleted."""
    client = encode_uint(2**40)
    text = b"\x04\x01\x04text" + encode_uint(length) + length * b"x"
    holes = b"".join(encode_uint(clock) + b"\x01" for clock in range(0, length, 2))
    holes = encode_uint((length + 1) // 2) + holes
    return b"\x01\x01" + client + b"\x00" + text + b"\x01" + client + holes


@pytest.mark.parametrize("deletes_more", [False, True])
@pytest.mark.parametrize("large", [LARGE, 4096])
async def test_a_reader_is_told_of_one_new_deletion_among_very_many(
    large: int, deletes_more: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only then. Others have their turns while that is looked for."""
    monkeypatch.setattr(session, "LARGE", large)
    length = 10_000
    update = riddled(length)
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    if deletes_more:
        del text_of(doc)[length // 2 - 1]
    async with bind("memory", authorize=by_token) as server:
        async with connect("memory", token="writer") as writer:
            writer.doc.apply_update(update)
            await writer.flush()
            told: list[list[Kind]] = []

            async def tell(channel: Channel, update: bytes) -> None:
                await channel.send(encode_step2(update))
                told.append(await kinds_until_echo(channel))

            async with (
                channel_to(server, token="reader") as reader,
                channel_to(server, token="writer") as other,
                create_task_group() as tasks,
            ):
                tasks.start_soon(tell, reader, doc.get_update(doc.get_state()))
                tasks.start_soon(tell, other, EMPTY_UPDATE)
        first, last = told
        assert Kind.DENIED not in first
        assert (Kind.DENIED in last) is deletes_more


async def test_what_is_deleted_is_looked_for_once_for_many_readers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes its time, and memory."""
    looked: list[bytes] = []

    def look(update: bytes, extent: Extent) -> Generator[None, None, deletions.Deletions]:
        looked.append(update)
        return deletions.walk_deletions(update, extent)

    async def answer() -> None:
        async with channel_to(server, token="reader") as channel:
            await channel.send(encode_step2(update))
            assert Kind.DENIED not in await kinds_until_echo(channel)

    monkeypatch.setattr(replica, "walk_deletions", look)
    monkeypatch.setattr(deletions, "STRIDE", 1)
    async with bind("memory", authorize=by_token) as server:
        async with connect("memory", token="writer") as writer:
            writer.doc.apply_update(riddled(100))
            for number in range(1, 3):
                del text_of(writer.doc)[0]
                await writer.flush()
                update = writer.doc.get_update()
                async with create_task_group() as tasks:
                    for _ in range(5):
                        tasks.start_soon(answer)
                assert len(looked) == number


@pytest.mark.parametrize("turns", [1, 5, 20, 100])
async def test_what_a_reader_has_deleted_arrives_also_if_it_may_write_while_that_is_looked_for(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "STRIDE", 1)
    guests = Guests(ann=Access.READ_WRITE, bob=Access.READ)
    async with bind("memory", authorize=guests) as server, connect("memory", token="ann") as ann:
        ann.doc["text"] = Text("hello world")
        for index in range(5):
            del text_of(ann.doc)[index]
        await ann.flush()
        doc: Doc[Any] = Doc()
        doc.apply_update(ann.doc.get_update())
        del text_of(doc)[4]
        async with connect("memory", token="bob", doc=doc) as bob:
            for _ in range(turns):
                await checkpoint()
            guests.grants["bob"] = Access.READ_WRITE
            await server.reauthorize()
            await until(ann.doc, lambda: str(text_of(ann.doc)) == "el od")
            with fail_after(5):
                await bob.flush()


async def test_garbage_of_a_reader_is_garbage() -> None:
    async with bind("memory", authorize=by_token) as server:
        async with channel_to(server, token="reader") as channel:
            await channel.send(encode_step1(EMPTY_STATE))
            await channel.send(encode_update(b"garbage"))
            with fail_after(5), pytest.raises(EndOfStream):
                while True:
                    await channel.receive()
            assert channel.close_code == 1007
            while server.stats().clients:
                await wait_all_tasks_blocked()
        assert server.stats().drops == {"protocol error": 1}


async def kinds_until_echo(channel: Channel) -> list[Kind]:
    await channel.send(b"\x66\x01x")
    kinds: list[Kind] = []
    with fail_after(5):
        while Kind.ECHO not in kinds:
            kinds += [message.kind for message in decode(await channel.receive())]
    return kinds


async def test_access_can_be_withdrawn() -> None:
    guests = Guests(ann=Access.READ_WRITE, bob=Access.READ_WRITE)
    async with (
        bind("memory", authorize=guests) as server,
        connect("memory", token="bob") as bob,
    ):
        with fail_after(5), pytest.raises(ConnectionRejectedError, match="4403 access was") as e:
            async with connect("memory", token="ann"):
                guests.grants["ann"] = Access.NONE
                await server.reauthorize()
                await sleep_forever()
        assert e.value.code == 4403
        bob.doc["text"] = Text("alone")
        await bob.flush()
        assert server.stats().drops == {"access withdrawn": 1}


async def test_only_those_that_match_are_asked_for_again() -> None:
    guests = Guests(ann=Access.READ_WRITE, bob=Access.READ_WRITE)
    async with bind("memory", authorize=guests) as server, connect("memory", token="bob") as bob:
        guests.grants["bob"] = Access.NONE
        await server.reauthorize(lambda request: request.room == "another")
        bob.doc["text"] = Text("still here")
        await bob.flush()


async def test_a_writer_becomes_a_reader_and_a_writer_again() -> None:
    """What was edited meanwhile arrives in the end."""
    guests = Guests(ann=Access.READ_WRITE)
    async with (
        bind("memory", authorize=guests) as server,
        connect("memory", token="ann") as ann,
    ):
        room = await server.rooms.get("")
        text = text_of(ann.doc)
        text += "one "
        await ann.flush()
        guests.grants["ann"] = Access.READ
        await server.reauthorize()
        text += "two "
        with fail_after(5), pytest.raises(ReadOnlyError):
            await ann.flush()
        assert str(text_of(room.doc)) == "one "
        guests.grants["ann"] = Access.READ_WRITE
        await server.reauthorize()
        await until(room.doc, lambda: str(text_of(room.doc)) == "one two ")
        text += "three"
        with fail_after(5):
            await ann.flush()
        assert str(text_of(room.doc)) == "one two three"


async def test_an_authorize_that_fails_later_sends_the_client_to_come_again() -> None:
    failing = False

    async def authorize(request: AccessRequest) -> Access:
        if failing:
            raise ZeroDivisionError
        return Access.READ_WRITE

    async with bind("memory", authorize=authorize) as server, connect("memory") as client:
        before = client.synchronized
        failing = True
        await server.reauthorize()
        failing = False
        with fail_after(5), client.status_changes() as changes:
            async for status in changes:
                if status == "connected" and client.synchronized is not before:
                    break
        client.doc["text"] = Text("back")
        await client.flush()


async def test_access_withdrawn_while_the_room_loads() -> None:
    loading, go_on = Event(), Event()
    guests = Guests(ann=Access.READ_WRITE)

    class Slow(Room):
        async def run(self, **options: Any) -> None:
            loading.set()
            await go_on.wait()
            await super().run(**options)

    async with bind("memory", Slow, authorize=guests) as server, create_task_group() as tasks:

        async def enter() -> None:
            assert (await refused(connect("memory", token="ann"))).code == 4403

        tasks.start_soon(enter)
        with fail_after(5):
            await loading.wait()
            guests.grants["ann"] = Access.NONE
            await server.reauthorize()
            go_on.set()


async def test_access_withdrawn_while_it_is_decided() -> None:
    """The answer that is under way is the one of before."""
    asked, go_on = Event(), Event()
    answers = [Access.READ_WRITE, Access.NONE]

    async def authorize(request: AccessRequest) -> Access:
        answer = answers.pop(0)
        asked.set()
        await go_on.wait()
        return answer

    async with bind("memory", authorize=authorize) as server, create_task_group() as tasks:

        async def enter() -> None:
            assert (await refused(connect("memory", token="ann"))).code == 4403

        tasks.start_soon(enter)
        with fail_after(5):
            await asked.wait()
            tasks.start_soon(server.reauthorize)
            await wait_all_tasks_blocked()
            go_on.set()


async def test_the_later_decision_counts() -> None:
    """Also if the earlier one takes longer."""
    answers = [(Access.READ_WRITE, Event()), (Access.READ, Event())]

    async def authorize(request: AccessRequest) -> Access:
        if len(asked) > 2:
            raise AssertionError("asked too often")
        asked.append(request)
        if len(asked) == 1:
            return Access.READ_WRITE
        answer, event = answers[len(asked) - 2]
        await event.wait()
        return answer

    asked: list[AccessRequest] = []
    async with bind("memory", authorize=authorize) as server, connect("memory"):
        (channel,) = (await server.rooms.get("")).clients
        with fail_after(5):
            async with create_task_group() as tasks:
                tasks.start_soon(server.reauthorize)
                await wait_all_tasks_blocked()
                tasks.start_soon(server.reauthorize)
                await wait_all_tasks_blocked()
                answers[1][1].set()
                await wait_all_tasks_blocked()
                answers[0][1].set()
        assert channel.access is Access.READ


async def test_a_look_up_that_is_cancelled_lets_nobody_in_and_harms_nobody(
    anyio_backend_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """On asyncio anybody can cancel what several wait for."""
    if anyio_backend_name == "trio":
        return
    is_cancelled = False

    async def authorize(request: AccessRequest) -> Access:
        if is_cancelled and request.credentials.token == "ann":
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future
        return Access.NONE if is_cancelled else Access.READ_WRITE

    async with bind("memory", authorize=authorize) as server:
        async with connect("memory", token="ann").open(), connect("memory", token="bob").open():
            room = await server.rooms.get("")
            while len(room.clients) < 2:
                await wait_all_tasks_blocked()
            is_cancelled = True
            await server.reauthorize()
            while server.stats().clients:
                await wait_all_tasks_blocked()
        with pytest.raises(ConnectError, match="1011"):
            async with connect("memory", token="ann"):
                raise AssertionError("connected")
        assert server.stats().refusals == {"authorize failed": 1}
        assert server.stats().drops == {"authorize failed": 1, "access withdrawn": 1}
    assert "authorize was cancelled from inside" in caplog.text


async def test_a_room_of_ones_own_decides() -> None:
    class Choosy(Room):
        async def serve(self, client: Channel, **options: Any) -> None:
            client.grant(GRANTS.get(client.credentials.token or "", Access.NONE))
            await super().serve(client, **options)

    async with bind("memory", Choosy) as server:
        async with connect("memory", token="writer") as writer:
            writer.doc["text"] = Text("secret")
            await writer.flush()
            assert (await refused(connect("memory", token="burglar"))).code == 4403
            assert len((await server.rooms.get("")).clients) == 1


async def test_what_a_reader_deletes_is_told_too() -> None:
    """Also what it had deleted before it came, which is asked for once it may write."""
    guests = Guests(ann=Access.READ_WRITE, bob=Access.READ)
    async with bind("memory", authorize=guests) as server, connect("memory", token="ann") as ann:
        ann.doc["text"] = Text("hello world")
        await ann.flush()
        doc: Doc[Any] = Doc()
        doc.apply_update(ann.doc.get_update())
        del text_of(doc)[:6]
        async with connect("memory", token="bob", doc=doc) as bob:
            with fail_after(5), pytest.raises(ReadOnlyError):
                await bob.flush()
            assert str(text_of(ann.doc)) == "hello world"
            guests.grants["bob"] = Access.READ_WRITE
            await server.reauthorize()
            await until(ann.doc, lambda: str(text_of(ann.doc)) == "world")
            with fail_after(5):
                await bob.flush()


async def test_what_a_reader_brings_and_pushes_is_denied() -> None:
    doc: Doc[Any] = Doc()
    doc["text"] = Text("my own")
    async with bind("memory", authorize=by_token):
        with pytest.raises(UnsentEditsError):
            async with connect("memory", doc=doc, token="reader", auto_push=False) as reader:
                reader.push()
                with fail_after(5), pytest.raises(ReadOnlyError):
                    await reader.flush()


async def test_what_was_not_accepted_is_not_missed_when_it_has_arrived_after_all() -> None:
    """Nobody flushes, and the server is gone when its client leaves."""
    guests = Guests(bob=Access.READ)
    doc: Doc[Any] = Doc()
    doc["text"] = Text("mine")
    async with create_task_group() as tasks:
        server = bind("memory", authorize=guests)
        running = Running(server)
        await tasks.start(running.run)
        room = await server.rooms.get("")
        async with connect("memory", token="bob", doc=doc, close_timeout=0.2) as bob:
            with fail_after(5), pytest.raises(ReadOnlyError):
                await bob.flush()
            guests.grants["bob"] = Access.READ_WRITE
            await server.reauthorize()
            await until(room.doc, lambda: str(text_of(room.doc)) == "mine")
            await wait_all_tasks_blocked()
            await running.stop()


async def test_what_was_pushed_and_not_accepted_is_pushed_again_when_it_is() -> None:
    guests = Guests(ann=Access.READ)
    async with (
        bind("memory", authorize=guests) as server,
        connect("memory", token="ann", auto_push=False) as ann,
    ):
        room = await server.rooms.get("")
        ann.doc["text"] = Text("mine")
        ann.push()
        with fail_after(5), pytest.raises(ReadOnlyError):
            await ann.flush()
        guests.grants["ann"] = Access.READ_WRITE
        await server.reauthorize()
        await until(room.doc, lambda: str(text_of(room.doc)) == "mine")
        with fail_after(5):
            await ann.flush()


async def test_a_reader_that_has_edited_nothing_has_nothing_unsent() -> None:
    """It is the first to come back to a server that has lost everything."""
    guests = Guests(ann=Access.READ_WRITE, bob=Access.READ)
    async with create_task_group() as tasks:
        first = Running(bind("memory", authorize=guests))
        await tasks.start(first.run)
        async with connect("memory", token="bob") as bob:
            async with connect("memory", token="ann") as ann:
                ann.doc["text"] = Text("hello")
                await until(bob.doc, lambda: str(text_of(bob.doc)) == "hello")
            before = bob.synchronized
            await first.stop()
            second = Running(bind("memory", authorize=guests))
            await tasks.start(second.run)
            with fail_after(10), bob.status_changes() as changes:
                async for status in changes:
                    if status == "connected" and bob.synchronized is not before:
                        break
                await bob.flush()
        await second.stop()


async def test_the_end_of_the_server_ends_a_decision() -> None:
    asked = Event()

    async def authorize(request: AccessRequest) -> Access:
        asked.set()
        await sleep_forever()
        raise AssertionError

    async with create_task_group() as tasks:

        async def enter() -> None:
            with pytest.raises(ConnectError, match="1001 the server is going away"):
                async with connect("memory"):
                    raise AssertionError("connected")

        with fail_after(5):
            async with bind("memory", authorize=authorize):
                tasks.start_soon(enter)
                await asked.wait()


def tokens(*given: str) -> tuple[Callable[[], Awaitable[str]], list[str]]:
    rest = list(given)

    async def next_token() -> str:
        return rest.pop(0)

    return next_token, rest


async def test_a_token_is_asked_for_at_every_attempt() -> None:
    get_token, rest = tokens("one", "two")
    asked: list[str | None] = []

    async def authorize(request: AccessRequest) -> Access:
        asked.append(request.credentials.token)
        return Access.READ_WRITE

    async with bind("memory", authorize=authorize) as server:
        async with connect("memory", token=get_token) as client:
            assert asked == ["one"]
            room = await server.rooms.get("")
            before = client.synchronized
            await room.clients[0].aclose(1012)
            with fail_after(5), client.status_changes() as changes:
                async for status in changes:
                    if status == "connected" and client.synchronized is not before:
                        break
    assert asked == ["one", "two"]
    assert rest == []


async def test_a_token_that_cannot_be_had() -> None:
    async def away() -> str:
        raise ConnectionRefusedError("nobody is at home")

    async def wrong() -> str:
        raise ZeroDivisionError

    async def slow() -> str:
        await sleep_forever()
        raise AssertionError

    async with bind("memory"):
        with pytest.raises(ConnectError, match="nobody is at home"):
            async with connect("memory", token=away):
                raise AssertionError("connected")
        with pytest.raises(ZeroDivisionError):
            async with connect("memory", token=wrong):
                raise AssertionError("connected")
        with fail_after(5), pytest.raises(ConnectError, match="did not answer within"):
            async with connect("memory", token=slow, connect_timeout=0.1):
                raise AssertionError("connected")


async def test_refusals_are_logged_once_and_name_the_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bind("memory", authorize=by_token):
        await refused(connect("memory", token="burglar"))
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.name == "ycore.server"
    assert record.message == "memory client of '' was refused: forbidden"
