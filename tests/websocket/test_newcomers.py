"""Connections that are no websocket yet, and those that never will be."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from contextlib import suppress
from importlib.util import find_spec

import anyio
import pytest
import trustme
from anyio import EndOfStream, Event, fail_after, sleep_forever, to_thread
from anyio.lowlevel import checkpoint
from pycrdt import Text

from ycore import Access, AccessRequest, connect
from ywire_websocket import WebsocketClient, WebsocketServer
from ywire_websocket.newcomers import Newcomer

SMALL = 4096
"""What the system holds of what somebody does not read, in bytes, or little more."""

EXPECTATION = b"GET / HTTP/1.1\r\nHost: x\r\nExpect: nothing\r\n\r\n"

NO_UVLOOP = pytest.mark.skipif(find_spec("uvloop") is None, reason="needs uvloop")


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop", marks=NO_UVLOOP),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


async def nobody(request: AccessRequest) -> Access:
    return Access.NONE


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.mark.parametrize(
    "request_head",
    [
        "GET /rooms HTTP/1.1\r\nHost: x\r\n",
        (
            "GET /rooms HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        ),
        "POST /elsewhere HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
        "POST /elsewhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n",
    ],
    ids=["no websocket", "a websocket", "no room", "not all of it"],
)
async def test_who_is_refused_keeps_no_connection(request_head: str) -> None:
    async with (
        WebsocketServer(port=0, path="/rooms", authorize=nobody, close_timeout=0.2) as server,
        await anyio.connect_tcp("127.0.0.1", server.port) as stream,
    ):
        await stream.send(f"{request_head}\r\n".encode())
        answer = b""
        with fail_after(5), pytest.raises(EndOfStream):
            while True:
                answer += await stream.receive()
    assert answer.startswith(b"HTTP/1.1 4")
    assert b"\r\nConnection: close\r\n" in answer


async def test_too_many_who_ask_for_nothing_are_cut_off() -> None:
    async with WebsocketServer(port=0, max_connections=2) as server:
        address = ("127.0.0.1", server.port)
        async with (
            await anyio.connect_tcp(*address),
            await anyio.connect_tcp(*address),
            await anyio.connect_tcp(*address) as third,
        ):
            with fail_after(5), pytest.raises((EndOfStream, anyio.BrokenResourceError)):
                await third.receive()


async def test_who_connects_and_asks_for_nothing_is_dropped() -> None:
    async with WebsocketServer(port=0, handshake_timeout=0.1) as server:
        for beginning in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n"):
            async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
                if beginning:
                    await stream.send(beginning)
                with fail_after(5), pytest.raises((EndOfStream, anyio.BrokenResourceError)):
                    await stream.receive()


async def test_who_has_asked_in_time_stays() -> None:
    """Only the first message has to come within the time, too."""
    async with WebsocketServer(port=0, handshake_timeout=1.5) as server:
        async with connect("websocket", port=server.port) as client:
            with anyio.move_on_after(2):
                await sleep_forever()
            before = client.synchronized
            client.doc["text"] = Text("x")
            await client.flush()
            assert client.synchronized is before


@pytest.mark.parametrize("is_encrypted", [False, True])
async def test_who_has_connected_and_gone_takes_no_place(is_encrypted: bool) -> None:
    """As a health check does all the time."""
    contexts = tls_contexts() if is_encrypted else (None, None)
    async with WebsocketServer(port=0, ssl_context=contexts[0], max_connections=2) as server:
        for _ in range(10):
            async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
                await stream.send_eof()
                with suppress(EndOfStream, anyio.BrokenResourceError):
                    while True:
                        await stream.receive()
            # The asyncio of Python 3.11 keeps a failed handshake until then.
            gc.collect()
        async with WebsocketClient(url=server.address, ssl_context=contexts[1]):
            pass


async def test_who_is_refused_and_does_not_end_tls_is_cut_off() -> None:
    server_context, client_context = tls_contexts()

    def ask(port: int) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as sock,
            client_context.wrap_socket(sock, server_hostname="127.0.0.1") as stream,
        ):
            stream.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = stream.recv(10)
            # Past TLS, which would answer the server's end of it.
            while socket.socket.recv(stream, 1000):
                pass
            return answer

    async with WebsocketServer(port=0, ssl_context=server_context, close_timeout=0.2) as server:
        assert await to_thread.run_sync(ask, server.port) == b"HTTP/1.1 4"


def transport_of_newcomer(server: WebsocketServer) -> asyncio.Transport | None:
    for newcomer in list(server._newcomers._newcomers.values()):
        return newcomer._transport
    return None


async def test_who_is_refused_and_does_not_read_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost, lose = Event(), Newcomer.connection_lost

    def lose_and_tell(newcomer: Newcomer, exc: BaseException | None) -> None:
        lose(newcomer, exc)
        lost.set()

    monkeypatch.setattr(Newcomer, "connection_lost", lose_and_tell)
    loop = asyncio.get_running_loop()
    async with WebsocketServer(port=0, close_timeout=0.2) as server:
        with socket.socket() as deaf, fail_after(20):
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            deaf.setblocking(False)
            await loop.sock_connect(deaf, ("127.0.0.1", server.port))
            while (transport := transport_of_newcomer(server)) is None:
                await checkpoint()
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL
            )
            # aiohttp answers these without asking anybody.
            while not transport.get_write_buffer_size():
                await loop.sock_sendall(deaf, EXPECTATION)
                await checkpoint()
            await loop.sock_sendall(deaf, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await lost.wait()
    (record,) = [record for record in caplog.records if record.name == "ywire.websocket"]
    assert "it did not read that it is refused within 0.2 s" in record.getMessage()
