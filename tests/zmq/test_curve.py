"""Encryption by CURVE: who gets in, who does not, and what is seen from outside."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import zmq
from anyio import (
    BrokenResourceError,
    EndOfStream,
    Event,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
    fail_after,
    sleep_forever,
)
from anyio.abc import SocketAttribute, SocketStream, TaskGroup, TaskStatus
from pycrdt import Text

from ycore import (
    Access,
    AccessRequest,
    ConnectError,
    ConnectionRejectedError,
    Room,
    ServerWire,
)
from ycore.testing import WireConformance
from ywire_zmq import KeyPair, ZmqClient, ZmqServer
from ywire_zmq.curve import ServerKeys
from ywire_zmq.frames import Hello, encode
from ywire_zmq.sockets import shared_context

# The fixture, whose class is in conftest.py.
Serve = Callable[..., AbstractAsyncContextManager[Any]]

SERVER, CLIENT, STRANGER = KeyPair.make(), KeyPair.make(), KeyPair.make()

EVERYBODY: dict[str, Any] = {"secret_key": SERVER.secret}
MEMBERS_ONLY: dict[str, Any] = {"secret_key": SERVER.secret, "client_keys": [CLIENT.public]}


def client_of(server: ZmqServer, keys: KeyPair | None = CLIENT, **options: Any) -> ZmqClient:
    """Make a client of a server that has the key `SERVER`."""
    return ZmqClient(
        **{
            "endpoint": server.endpoint,
            "server_key": SERVER.public,
            "secret_key": keys.secret if keys else None,
            **options,
        }
    )


async def get_in(client: ZmqClient) -> None:
    """Enter and make sure that something goes both ways."""
    with fail_after(5):
        async with client:
            client.doc["text"] = Text("there")
            await client.flush()


async def failure(client: ZmqClient) -> ConnectError:
    """Enter a client in vain, long before it would give up by itself."""
    with fail_after(5), pytest.raises(ConnectError) as caught:
        async with client:
            raise AssertionError("connected")
    return caught.value


class TestZmqOverCurve(WireConformance):
    wire = "zmq"

    def server_options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": 0, **MEMBERS_ONLY}

    def same_address(self, server: ServerWire) -> dict[str, Any]:
        assert isinstance(server, ZmqServer)
        return {"port": server.port}

    def client_options(self, server: ServerWire) -> dict[str, Any]:
        keys = {"server_key": SERVER.public, "secret_key": CLIENT.secret}
        return {"host": "127.0.0.1", **keys, **self.same_address(server)}


# Keys


def test_the_command_makes_a_pair() -> None:
    command = [sys.executable, "-m", "ywire_zmq"]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    lines = [line.partition("=")[::2] for line in output.splitlines()]
    assert [name for name, _ in lines] == ["secret_key", "public_key"]
    secret, public = (key for _, key in lines)
    assert KeyPair.of(secret) == KeyPair(public, secret)
    assert len(public) == len(secret) == 40


def test_no_two_pairs_are_alike() -> None:
    assert len({KeyPair.make().secret for _ in range(10)}) == 10


def test_a_server_tells_its_public_key() -> None:
    assert ZmqServer(secret_key=SERVER.secret).public_key == SERVER.public
    assert ZmqServer().public_key is None


MALFORMED = {
    "short": SERVER.public[1:],
    "long": SERVER.public + "0",
    "empty": "",
    "not Z85": "~" * 40,
    "not ASCII": "ä" * 40,
    "beyond 32 bits": "#" * 40,
    "bytes": SERVER.public.encode(),
}


@pytest.mark.parametrize("key", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_key_is_refused_without_telling_it(key: Any) -> None:
    attempts: dict[str, Callable[[], object]] = {
        "secret_key": lambda: ZmqServer(secret_key=key),
        "client_keys": lambda: ZmqServer(secret_key=SERVER.secret, client_keys=[key]),
        "server_key": lambda: ZmqClient(port=1, server_key=key),
        "secret_key ": lambda: ZmqClient(port=1, server_key=SERVER.public, secret_key=key),
    }
    for option, attempt in attempts.items():
        with pytest.raises(ValueError, match="40 characters of Z85") as caught:
            attempt()
        assert option.strip() in str(caught.value)
        assert not key or str(key) not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_key_in_place_of_a_list_is_refused() -> None:
    with pytest.raises(ValueError, match="client_keys"):
        ZmqServer(secret_key=SERVER.secret, client_keys=CLIENT.public)


def test_keys_that_would_change_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="secret_key"):
        ZmqServer(client_keys=[CLIENT.public])
    with pytest.raises(ValueError, match="server_key"):
        ZmqClient(port=1, secret_key=CLIENT.secret)


def test_inproc_cannot_be_encrypted() -> None:
    with pytest.raises(ValueError, match="inproc"):
        ZmqServer(endpoint="inproc://somewhere", secret_key=SERVER.secret)
    with pytest.raises(ValueError, match="inproc"):
        ZmqClient(endpoint="inproc://somewhere", server_key=SERVER.public)


# Who gets in


async def test_clients_with_the_servers_key_get_in(tmp_path: Path) -> None:
    for endpoint in ("tcp://127.0.0.1:0", "tcp://[::1]:0", f"ipc://{tmp_path / 'socket'}"):
        async with ZmqServer(endpoint=endpoint, **EVERYBODY) as server:
            await get_in(client_of(server))
            await get_in(client_of(server, keys=None))


async def test_authorize_is_told_the_key() -> None:
    keys: list[str | None] = []

    async def authorize(request: AccessRequest) -> Access:
        keys.append(request.credentials.key)
        return Access.READ_WRITE

    async with ZmqServer(authorize=authorize, **EVERYBODY) as server:
        await get_in(client_of(server))
        await get_in(client_of(server, STRANGER))
        anonymous = client_of(server, keys=None)
        for _ in range(2):
            async with anonymous.open() as channel:
                await channel.receive()
    listed, stranger, *throw_away = keys
    assert (listed, stranger) == (CLIENT.public, STRANGER.public)
    assert len(set(throw_away)) == 1
    assert not set(throw_away) & {None, listed, stranger}


async def test_only_members_get_in(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async with serve(**MEMBERS_ONLY) as served:
        for keys in (STRANGER, None):
            error = await failure(client_of(served.server, keys))
            assert isinstance(error, ConnectionRejectedError)
            assert error.code == 4403
            assert "client_keys" in error.reason
            if keys is not None:
                assert keys.public in error.reason
                assert keys.public in caplog.text
        async with client_of(served.server).open():
            # Nobody else has become a connection.
            assert (await served.accept()).credentials.key == CLIENT.public
        assert served.server.stats().connections == 1
        assert served.server.stats().refusals == {"client_keys": 2}


async def test_an_empty_list_is_a_list() -> None:
    async with ZmqServer(secret_key=SERVER.secret, client_keys=[]) as server:
        assert isinstance(await failure(client_of(server)), ConnectionRejectedError)


async def test_plain_clients_are_told_that_a_key_is_needed() -> None:
    async with ZmqServer(**EVERYBODY) as server:
        error = await failure(ZmqClient(port=server.port))
        assert not isinstance(error, ConnectionRejectedError)
        assert "is encrypted" in str(error)
        assert "server_key" in str(error)


async def test_clients_with_a_key_do_not_talk_plainly() -> None:
    async with ZmqServer() as server:
        error = await failure(client_of(server))
        assert not isinstance(error, ConnectionRejectedError)
        assert "not encrypted" in str(error)


async def test_a_server_with_another_key_is_not_trusted() -> None:
    async with ZmqServer(**EVERYBODY) as server:
        error = await failure(client_of(server, server_key=STRANGER.public))
        assert not isinstance(error, ConnectionRejectedError)
        assert "server_key" in str(error)


async def test_a_refusal_is_told_though_the_host_has_more_addresses() -> None:
    async with ZmqServer(host="localhost", **MEMBERS_ONLY) as server:
        there = f"tcp://localhost:{server.port}"
        error = await failure(client_of(server, STRANGER, endpoint=there))
        assert isinstance(error, ConnectionRejectedError)
        assert "is encrypted" in str(await failure(ZmqClient(endpoint=there)))


async def test_who_is_no_member_any_more_cannot_come_back() -> None:
    with fail_after(10):
        async with create_task_group() as tasks:
            first = await running(tasks, ZmqServer(**MEMBERS_ONLY))
            with pytest.raises(ConnectionRejectedError, match="client_keys"):
                async with client_of(first.server):
                    await first.stop()
                    options: dict[str, Any] = {**MEMBERS_ONLY, "client_keys": []}
                    async with ZmqServer(port=first.server.port, **options):
                        await sleep_forever()


async def test_many_are_checked_at_once() -> None:
    async with ZmqServer(**MEMBERS_ONLY) as server, create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(get_in, client_of(server))
            tasks.start_soon(failure, client_of(server, STRANGER))
            tasks.start_soon(failure, ZmqClient(port=server.port))


# Several servers in one program


class Running:
    """A server in a task of its own, so that it can end before those that came later."""

    def __init__(self, server: ZmqServer) -> None:
        self.server = server
        self._stopping, self._stopped = Event(), Event()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        async with self.server:
            task_status.started()
            await self._stopping.wait()
        self._stopped.set()

    async def stop(self) -> None:
        self._stopping.set()
        await self._stopped.wait()


async def running(tasks: TaskGroup, server: ZmqServer) -> Running:
    task = Running(server)
    await tasks.start(task.run)
    return task


async def test_each_server_has_members_of_its_own() -> None:
    strangers_only: dict[str, Any] = {"secret_key": SERVER.secret, "client_keys": {STRANGER.public}}
    async with (
        ZmqServer(**MEMBERS_ONLY) as members,
        ZmqServer(**strangers_only) as strangers,
        ZmqServer(**EVERYBODY) as everybody,
        ZmqServer() as plain,
    ):
        for _ in range(2):
            await get_in(client_of(members, CLIENT))
            await get_in(client_of(strangers, STRANGER))
            await get_in(client_of(everybody, STRANGER))
            await get_in(ZmqClient(port=plain.port))
            for server, keys in ((members, STRANGER), (strangers, CLIENT)):
                error = await failure(client_of(server, keys))
                assert isinstance(error, ConnectionRejectedError)


@pytest.mark.parametrize("first", [0, 1])
async def test_one_server_goes_on_checking_when_another_ends(first: int) -> None:
    async with create_task_group() as tasks:
        pair = [await running(tasks, ZmqServer(**MEMBERS_ONLY)) for _ in range(2)]
        for each in pair:
            await get_in(client_of(each.server))
        await pair.pop(first).stop()
        (left,) = pair
        for _ in range(2):
            await get_in(client_of(left.server))
            assert isinstance(
                await failure(client_of(left.server, STRANGER)), ConnectionRejectedError
            )
        await left.stop()


async def test_checking_begins_anew_in_a_context_that_has_lived_on() -> None:
    async with ZmqServer():
        for _ in range(5):
            async with ZmqServer(**MEMBERS_ONLY) as server:
                await get_in(client_of(server))


@pytest.mark.parametrize("others", [False, True])
async def test_who_is_not_asked_about_does_not_get_in(others: bool) -> None:
    """A socket whose handler is not there, or does not know it, lets nobody in."""
    keys = ServerKeys.given(SERVER.secret, None, "tcp://127.0.0.1:0")
    assert keys is not None
    async with AsyncExitStack() as stack:
        context = await stack.enter_async_context(shared_context())
        if others:
            await stack.enter_async_context(ZmqServer(**EVERYBODY))
        socket = stack.enter_context(context.socket(zmq.ROUTER))
        socket.set(zmq.LINGER, 0)
        keys.secure(socket, b"unknown")
        socket.bind("tcp://127.0.0.1:*")
        endpoint = socket.get_string(zmq.LAST_ENDPOINT)
        error = await failure(ZmqClient(endpoint=endpoint, server_key=SERVER.public))
        assert not isinstance(error, ConnectionRejectedError)
        assert ("cannot check keys now" if others else "no zmq handshake") in str(error)


# What is seen from outside

OLD_GREETINGS = {
    # The signature, revision 1, the type DEALER, an empty identity; then a short frame.
    "ZMTP 2.0": b"\xff" + bytes(7) + b"\x01\x7f\x01\x05" + bytes(2) + b"\x00%c",
    # An empty identity; then a short frame, whose size counts the byte of flags.
    "ZMTP 1.0": b"\x01\x00" + b"%c\x00",
}


@pytest.mark.parametrize("version", OLD_GREETINGS)
async def test_old_protocols_are_no_way_around(version: str) -> None:
    """ZMTP below 3.0 knows no encryption (RFC 13 and 15)."""
    hello = encode(Hello("room"))
    size = len(hello) + (version == "ZMTP 1.0")
    beginning = OLD_GREETINGS[version] % size + hello
    async with ZmqServer() as plain, ZmqServer(**EVERYBODY) as encrypted:
        assert b"\xf1\x03" in await answer(plain, beginning)  # WELCOME: this is how to get in
        assert b"\xf1\x03" not in await answer(encrypted, beginning)
        assert encrypted.stats().connections == 0


async def answer(server: ZmqServer, beginning: bytes) -> bytes:
    """Send something; return what comes back until WELCOME or the end."""
    received = b""
    async with await connect_tcp("127.0.0.1", server.port) as stream:
        await stream.send(beginning)
        with fail_after(5), suppress(EndOfStream, BrokenResourceError):
            while b"\xf1\x03" not in received:
                received += await stream.receive()
    return received


class Tap:
    """Forwards TCP connections to a port, and keeps what goes through."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.seen = bytearray()
        self._target = target

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        async with await create_tcp_listener(local_host="127.0.0.1") as listener:
            self.port = listener.extra(SocketAttribute.local_port)
            task_status.started()
            await listener.serve(self._forward)

    async def _forward(self, client: SocketStream) -> None:
        async with client, await connect_tcp("127.0.0.1", self._target) as server:
            async with create_task_group() as tasks:
                tasks.start_soon(self._pass, client, server)
                await self._pass(server, client)
                tasks.cancel_scope.cancel()

    async def _pass(self, source: SocketStream, sink: SocketStream) -> None:
        with suppress(BrokenResourceError):
            async for data in source:
                self.seen += data
                await sink.send(data)


@pytest.mark.parametrize("is_encrypted", [True, False])
async def test_a_listener_on_the_line_reads_nothing(is_encrypted: bool) -> None:
    secrets = [b"the room's name", b"the client's token", b"the client's text", b"the server's"]
    room, token, edit, content = (secret.decode() for secret in secrets)

    def make(id: str) -> Room:  # noqa: A002
        made = Room(id)
        made.doc["server"] = Text(content)
        return made

    keys = EVERYBODY if is_encrypted else {}
    async with ZmqServer(room_factory=make, **keys) as server, create_task_group() as tasks:
        tap = Tap(server.port)
        await tasks.start(tap.run)
        client = ZmqClient(id=room, token=token, port=tap.port, server_key=server.public_key)
        async with client:
            client.doc["client"] = Text(edit)
            await client.flush()
            assert str(client.doc.get("server", type=Text)) == content
        tasks.cancel_scope.cancel()
    assert len(tap.seen) > 100
    assert [secret in tap.seen for secret in secrets] == [not is_encrypted] * 4


async def test_secret_keys_are_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    texts = []
    with caplog.at_level(logging.DEBUG):
        async with ZmqServer(**MEMBERS_ONLY) as server:
            await get_in(client_of(server))
            texts += [str(await failure(client_of(server, STRANGER)))]
    texts += [caplog.text, repr(SERVER)]
    texts += [repr(ServerKeys.given(SERVER.secret, None, "")), repr(client_of(server)._keys)]
    for text in texts:
        assert not [keys for keys in (SERVER, CLIENT, STRANGER) if keys.secret in text]
    assert STRANGER.public in caplog.text
