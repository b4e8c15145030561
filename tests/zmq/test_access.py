"""Who may enter over zmq: the token in HELLO, and what a client is told that may not."""

from __future__ import annotations

import logging

import pytest
from anyio import Event, connect_tcp, create_task_group, fail_after
from anyio.streams.buffered import BufferedByteReceiveStream

from ycore import (
    Access,
    AccessDeniedError,
    AccessRequest,
    ClientWire,
    ConnectError,
    ConnectionRejectedError,
    Credentials,
    Room,
    Status,
)
from ywire_zmq import ZmqClient, ZmqServer
from ywire_zmq.frames import Hello, encode

FORGED_KEY = "x" * 40
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\x00") + bytes(32)
READY = (
    b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
    b"\x07User-Id\x00\x00\x00\x28" + FORGED_KEY.encode()
)
"""What a ZMTP 3.0 peer says of itself (RFC 23), with a property that is not its business."""


class Desk:
    """Lets in whoever has a token that is known, and remembers who asked."""

    def __init__(self, *tokens: str | None) -> None:
        self.asked: list[AccessRequest] = []
        self._tokens = tokens

    async def __call__(self, request: AccessRequest) -> Access:
        self.asked.append(request)
        known = request.credentials.token in self._tokens
        return Access.READ_WRITE if known else Access.NONE


async def refusal(client: ClientWire) -> ConnectError:
    """Enter a client that is refused, and make sure that it never took itself for connected."""
    statuses: list[Status] = []

    async def watch() -> None:
        with client.status_changes() as changes:
            statuses.extend([status async for status in changes])

    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(watch)
            with pytest.raises(ConnectError) as caught:
                async with client:
                    raise AssertionError("connected")
    assert statuses
    assert Status.CONNECTED not in statuses
    assert not client.synchronized.is_set()
    return caught.value


async def test_authorize_is_told_who_wants_what() -> None:
    desk = Desk("the secret")
    async with ZmqServer(authorize=desk) as server:
        async with ZmqClient(id="a room", token="the secret", port=server.port):
            pass
    (request,) = desk.asked
    assert (request.room, request.wire) == ("a room", "zmq")
    assert request.peer.startswith("zmq 127.0.0.1 ")
    assert request.credentials == Credentials(token="the secret")


async def test_who_has_no_token_shows_none() -> None:
    desk = Desk(None)
    async with ZmqServer(authorize=desk) as server, ZmqClient(port=server.port):
        pass
    assert [request.credentials for request in desk.asked] == [Credentials()]


async def test_a_token_is_asked_for_anew_for_every_connection() -> None:
    tokens = iter(["first", "second"])
    desk = Desk("first", "second")

    async def token() -> str:
        return next(tokens)

    async with ZmqServer(authorize=desk) as server:
        client = ZmqClient(port=server.port, token=token)
        for _ in range(2):
            async with client.open() as channel:
                await channel.receive()
    assert [request.credentials.token for request in desk.asked] == ["first", "second"]


async def test_what_the_tokens_function_raises_comes_out_as_it_is() -> None:
    async def token() -> str:
        raise LookupError("nobody is logged in")

    async with ZmqServer() as server:
        with pytest.raises(LookupError, match="logged in"):
            async with ZmqClient(port=server.port, token=token):
                raise AssertionError("connected")


async def test_who_may_not_enter_is_refused_for_good() -> None:
    rooms: list[str] = []

    def make(id: str) -> Room:  # noqa: A002
        rooms.append(id)
        return Room(id)

    async with ZmqServer(room_factory=make, authorize=Desk("the secret")) as server:
        for token, code in (("a guess", 4403), (None, 4401)):
            error = await refusal(ZmqClient(id="room", port=server.port, token=token))
            assert isinstance(error, ConnectionRejectedError)
            assert error.code == code
        assert rooms == []
        async with ZmqClient(id="room", port=server.port, token="the secret"):
            assert rooms == ["room"]
        assert server.stats().refusals == {"forbidden": 1, "not authenticated": 1}


async def test_the_client_is_told_why() -> None:
    async def authorize(request: AccessRequest) -> Access:
        raise AccessDeniedError("the token has expired", code=4401)

    async with ZmqServer(authorize=authorize) as server:
        with pytest.raises(ConnectionRejectedError, match="4401 the token has expired"):
            async with ZmqClient(port=server.port):
                raise AssertionError("connected")


async def test_an_authorize_that_fails_refuses_for_now() -> None:
    async def authorize(request: AccessRequest) -> Access:
        raise ZeroDivisionError("not for clients")

    async with ZmqServer(authorize=authorize) as server:
        error = await refusal(ZmqClient(port=server.port))
    assert not isinstance(error, ConnectionRejectedError)
    assert "1011" in str(error)
    assert "not for clients" not in str(error)


async def test_a_client_is_not_connected_before_it_was_let_in() -> None:
    asked, decided = Event(), Event()

    async def authorize(request: AccessRequest) -> Access:
        asked.set()
        await decided.wait()
        return Access.READ_WRITE

    async with ZmqServer(authorize=authorize) as server:
        client = ZmqClient(port=server.port)

        async def connect() -> None:
            async with client:
                assert client.status is Status.CONNECTED

        with fail_after(10):
            async with create_task_group() as tasks:
                tasks.start_soon(connect)
                await asked.wait()
                # Ten more clients get so far meanwhile: this one has had time to go on.
                for _ in range(10):
                    async with ZmqClient(port=server.port).open():
                        pass
                assert client.status is Status.CONNECTING
                assert not client.synchronized.is_set()
                decided.set()


@pytest.mark.parametrize(
    ("room", "token", "name"), [("x" * 65536, "", "id"), ("", "x" * 65536, "token")]
)
async def test_what_is_too_long_for_hello_is_named(room: str, token: str, name: str) -> None:
    async with ZmqServer() as server:
        with pytest.raises(ValueError, match=rf"{name}.* 65536 .* 65535"):
            async with ZmqClient(port=server.port, id=room, token=token):
                raise AssertionError("connected")


async def test_a_long_token_arrives() -> None:
    token = "ä" * 32767 + "x"
    async with ZmqServer(authorize=Desk(token)) as server:
        async with ZmqClient(port=server.port, token=token):
            pass


async def test_tokens_do_not_get_into_logs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with ZmqServer(authorize=Desk("the secret")) as server:
            async with ZmqClient(port=server.port, token="the secret"):
                pass
            error = await refusal(ZmqClient(port=server.port, token="a guess"))
    assert caplog.records
    for text in (caplog.text, str(error), repr(Hello("room", "the secret"))):
        assert "the secret" not in text
        assert "a guess" not in text


async def test_nobody_chooses_a_key_without_a_check() -> None:
    """ZMTP lets a peer tell properties of itself, by the name of the one that libzmq adds too."""
    desk = Desk("the secret")
    async with ZmqServer(authorize=desk) as server:
        async with await connect_tcp("127.0.0.1", server.port) as stream:
            received = BufferedByteReceiveStream(stream)
            with fail_after(5):
                await stream.send(GREETING)
                await received.receive_exactly(len(GREETING))
                await stream.send(bytes([0x04, len(READY)]) + READY)
                await received.receive_until(b"READY", 100)
                hello = encode(Hello("room", "the secret"))
                await stream.send(bytes([0x00, len(hello)]) + hello)
                await received.receive_until(b"\xf1\x03", 1000)  # WELCOME
    (request,) = desk.asked
    assert request.credentials == Credentials(token="the secret")
