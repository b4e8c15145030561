"""What is the websocket wire's own: addresses, HTTP, TLS, frames."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
import ssl
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anyio
import pytest
import trustme
from aiohttp import web
from anyio import fail_after, sleep_forever
from pycrdt import Text

from ycore import (
    ConnectError,
    ConnectionRejectedError,
    bind,
    connect,
)
from ycore.protocol import encode_step1
from ycore.replica import EMPTY_STATE
from ywire_websocket import WebsocketClient, WebsocketServer
from ywire_websocket.patience import PatientServerSocket

ROOMS = ["", "room", "a/b c?é", "100%", "%41", "..", ".", "a//b/", "ü/%2F#x", "日本 &=+;"]


@asynccontextmanager
async def websocket(server: WebsocketServer, path: str = "/") -> AsyncIterator[Any]:
    """Open a websocket that no code of this project touches."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://127.0.0.1:{server.port}{path}") as opened,
    ):
        yield opened


@pytest.fixture
async def server() -> AsyncIterator[WebsocketServer]:
    async with WebsocketServer(port=0) as server:
        yield server


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("path", ["/", "/below/here"])
async def test_the_id_of_the_room_arrives(room: str, path: str) -> None:
    async with (
        WebsocketServer(port=0, path=path) as server,
        WebsocketClient(id=room, port=server.port, path=path),
        WebsocketClient(id=room, url=server.address),
    ):
        assert [found.id for found in server.rooms] == [room]


async def test_the_address() -> None:
    async with WebsocketServer(host="localhost", port=0, path="/x") as server:
        assert server.port != 0
        assert server.address == f"ws://localhost:{server.port}/x"
        client = WebsocketClient(host="::1", port=1, path="/x")
        assert client.address == "ws://[::1]:1/x"
        assert WebsocketClient(url="ws://a/b?token=secret").address == "ws://a/b"


async def test_a_name_with_several_addresses_is_served_on_one_port() -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo("localhost", 1)}
    async with WebsocketServer(host="localhost", port=0) as server:
        for address in addresses:
            async with WebsocketClient(host=str(address), port=server.port):
                pass


async def test_a_port_in_use_is_named(server: WebsocketServer) -> None:
    with pytest.raises(OSError, match=rf"127\.0\.0\.1:{server.port}: Address already in use"):
        async with WebsocketServer(port=server.port):
            raise AssertionError("bound twice")


async def test_an_unknown_host_is_an_os_error() -> None:
    with pytest.raises(OSError, match=r"not known|No address|failure"):
        async with WebsocketServer(host="no-such-host.invalid"):
            raise AssertionError("bound")


async def test_an_unreachable_server_is_named(free_tcp_port: int) -> None:
    with pytest.raises(ConnectionError, match=rf"127\.0\.0\.1:{free_tcp_port}") as caught:
        async with WebsocketClient(port=free_tcp_port):
            raise AssertionError("connected")
    assert isinstance(caught.value, ConnectError)


async def test_a_server_that_does_not_speak_http_is_a_timeout() -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with fail_after(5), pytest.raises(TimeoutError, match=str(port)):
            async with WebsocketClient(port=port, connect_timeout=0.2):
                raise AssertionError("connected")


@pytest.mark.parametrize(
    "options",
    [
        {"host": "http://localhost"},
        {"path": "rooms"},
        {"url": "localhost:8000"},
        {"url": "ftp://localhost"},
        {"url": "ws://localhost", "port": 1},
    ],
)
def test_addresses_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"host|path|url"):
        WebsocketClient(**options)


@pytest.mark.parametrize("path", ["rooms", "", "/a b", "/%41", "/ü", "/{room}", "/a?b"])
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(ValueError, match=rf"such as /rooms, not '{re.escape(path)}'"):
        WebsocketServer(path=path)


async def test_an_ordinary_request_is_told_what_this_is(server: WebsocketServer) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{server.port}/room") as response:
            assert response.status == 426
            assert "Yjs" in await response.text()


async def test_a_path_that_is_not_below_is_not_found() -> None:
    async with WebsocketServer(port=0, path="/rooms") as server, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{server.port}/elsewhere") as response:
            assert response.status == 404
            assert "/rooms" in await response.text()
        with pytest.raises(ConnectError, match="HTTP 404"):
            async with WebsocketClient(port=server.port):
                raise AssertionError("connected")


async def test_a_text_frame_is_closed_with_1003(
    server: WebsocketServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with websocket(server) as opened:
        assert (await opened.receive()).type is aiohttp.WSMsgType.BINARY
        await opened.send_str('{"type": "hello"}')
        with fail_after(5):
            message = await opened.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == 1003
    with fail_after(5):
        while "text frame" not in caplog.text:
            await anyio.lowlevel.checkpoint()
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1


async def test_a_close_without_a_code_is_one(server: WebsocketServer) -> None:
    async with connect("websocket", port=server.port) as client:
        async with websocket(server) as opened:
            await opened.receive()
            await opened.send_bytes(encode_step1(EMPTY_STATE))
            await opened.send_frame(b"", aiohttp.WSMsgType.CLOSE)
            with fail_after(5):
                while (await opened.receive()).type is aiohttp.WSMsgType.BINARY:
                    pass
        await client.flush()


async def test_a_frame_that_is_no_websocket_frame_ends_its_connection_only(
    server: WebsocketServer,
) -> None:
    async with connect("websocket", port=server.port) as client:
        async with websocket(server) as opened:
            await opened.receive()
            await opened.send_frame(b"", 5)  # a reserved kind
            with fail_after(5):
                message = await opened.receive()
            assert message.data == 1002
        client.doc["text"] = Text("alive")
        await client.flush()


async def test_nothing_is_left_of_a_connection_that_the_server_has_closed(
    server: WebsocketServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own close frame, which comes later, does not keep it for a heartbeat."""
    gone = anyio.Event()

    class Watched(PatientServerSocket):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            weakref.finalize(self, gone.set)

    monkeypatch.setattr("ywire_websocket.endpoint.PatientServerSocket", Watched)
    async with websocket(server) as opened:
        await opened.receive()
        await opened.send_bytes(b"garbage")
        assert (await opened.receive()).type is aiohttp.WSMsgType.CLOSE
    with fail_after(5):
        while not gone.is_set():
            gc.collect()
            await anyio.lowlevel.checkpoint()


async def test_a_client_that_vanishes_is_noticed(server: WebsocketServer) -> None:
    async with WebsocketServer(port=0, heartbeat=0.1) as server:
        async with connect("websocket", port=server.port) as client:
            _, writer = await _shake_hands_by_hand(server.port)
            room = await server.rooms.get("")
            with fail_after(5):
                while len(room.clients) < 2:
                    await client.flush()
                    await anyio.lowlevel.checkpoint()
                # It answers no ping, though its connection stands.
                while len(room.clients) == 2:
                    await anyio.lowlevel.checkpoint()
            writer.close()
            await writer.wait_closed()


async def _shake_hands_by_hand(port: int) -> tuple[Any, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def test_what_the_client_sends_with_its_request() -> None:
    seen: list[web.Request] = []

    class Curious(WebsocketServer):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            seen.append(request)
            return await super().handle(request)

    async with Curious(port=0) as server:
        async with WebsocketClient(
            id="x",
            url=f"http://127.0.0.1:{server.port}/?a=1",
            headers={"X-Name": "Zoë"},
            params={"token": "ü"},
            cookies={"session": "s"},
        ):
            pass
    (request,) = seen
    assert dict(request.query) == {"a": "1", "token": "ü"}
    assert request.cookies["session"] == "s"
    assert request.headers["X-Name"].encode("latin-1", "surrogateescape")


@pytest.mark.parametrize(("status", "code"), [(401, 4401), (403, 4403)])
async def test_a_refusal_by_http_is_for_good(status: int, code: int) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=status)

    async with _application(refuse) as port:
        with pytest.raises(ConnectionRejectedError, match=str(code)) as caught:
            async with WebsocketClient(port=port):
                raise AssertionError("connected")
        assert caught.value.code == code


async def test_a_server_that_is_no_websocket_server() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async with _application(answer) as port:
        with pytest.raises(ConnectError, match="HTTP 200"):
            async with WebsocketClient(port=port):
                raise AssertionError("connected")


@asynccontextmanager
async def _application(handler: Any) -> AsyncIterator[int]:
    application = web.Application()
    application.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_the_address_says_that_there_is_tls() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    async with WebsocketServer(host="localhost", port=0, ssl_context=context) as server:
        assert server.address == f"wss://localhost:{server.port}/"
        client = WebsocketClient(host="localhost", port=server.port, ssl_context=context)
        assert client.address == server.address


async def test_the_server_leaves_within_its_bound_although_a_client_does_not_read() -> None:
    with fail_after(10):
        async with WebsocketServer(port=0, close_timeout=0.2) as server:
            _, writer = await _shake_hands_by_hand(server.port)
            room = await server.rooms.get("")
            while not room.clients:
                await anyio.lowlevel.checkpoint()
            room.doc["text"] = Text("x" * 10_000_000)
    writer.transport.abort()


def test_on_trio_it_says_what_is_wrong() -> None:
    async def serve() -> None:
        async with bind("websocket"):
            raise AssertionError("bound")

    async def join() -> None:
        async with connect("websocket"):
            raise AssertionError("connected")

    for program in (serve, join):
        with pytest.raises(RuntimeError, match="asyncio only"):
            anyio.run(program, backend="trio")


async def test_a_killed_connection_is_broken_and_comes_back(server: WebsocketServer) -> None:
    async with connect("websocket", port=server.port) as client:
        room = await server.rooms.get("")
        lost = client.synchronized
        for channel in room.clients:
            channel._transport.abort()  # type: ignore[attr-defined]
        client.doc["text"] = Text("edited while it was gone")
        with fail_after(10):
            while client.synchronized is lost:
                await anyio.lowlevel.checkpoint()
            await client.synchronized.wait()
            await client.flush()
        assert str(room.doc.get("text", type=Text)) == "edited while it was gone"


async def test_who_leaves_waits_until_the_server_has_read_what_it_said() -> None:
    """Without that the system would throw it away, for there is something unread on this side."""
    reading, events = anyio.Event(), list[object]()

    async def handle(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        await reading.wait()
        async for message in response:
            events.append(message.data)
        return response

    async with _application(handle) as port:
        async with connect("websocket", port=port).open() as channel:
            with anyio.move_on_after(0.01):
                await channel.receive()
            await channel.send(b"the last words")
            async with anyio.create_task_group() as tasks:

                async def close() -> None:
                    await channel.aclose()
                    events.append("closed")

                tasks.start_soon(close)
                await anyio.wait_all_tasks_blocked()
                assert not events
                reading.set()
    assert events == [b"the last words", "closed"]


async def test_a_waiting_sender_is_freed_by_the_close_of_its_channel(
    server: WebsocketServer,
) -> None:
    async with WebsocketServer(port=0, close_timeout=0.1) as server:
        _, writer = await _shake_hands_by_hand(server.port)
        room = await server.rooms.get("")
        with fail_after(5):
            while not room.clients:
                await anyio.lowlevel.checkpoint()
            (channel,) = room.clients
            async with anyio.create_task_group() as tasks:

                async def send() -> None:
                    with pytest.raises((anyio.BrokenResourceError, anyio.ClosedResourceError)):
                        await channel.send(b"x" * 20_000_000)
                        await sleep_forever()

                tasks.start_soon(send)
                tasks.start_soon(send)
                await anyio.wait_all_tasks_blocked()
                await channel.aclose()
        writer.close()
