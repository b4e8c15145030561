"""Rooms in applications of Starlette, FastAPI and Django, served by uvicorn."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from anyio import fail_after
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path as django_path
from fastapi import FastAPI
from pycrdt import Doc, Text
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from ycore import ConnectError, Rooms, bind, connect
from ycore.protocol import encode_step1, encode_update
from ycore.testing import until
from ywire_websocket import AsgiServer

# A fixture, whose class is in conftest.py.
Serve = Any

ROOMS = ["", "room", "a/b c?é", "100%", "%41", "a//b/", "ü/%2F#x", "日本 &=+;"]


def url(port: int, path: str = "/rooms", scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{port}{path}"


def lifespan_of(server: AsgiServer) -> Any:
    @asynccontextmanager
    async def lifespan(application: Any) -> AsyncIterator[None]:
        async with server:
            yield

    return lifespan


def starlette(server: AsgiServer) -> Starlette:
    async def hello(request: Request) -> PlainTextResponse:
        return PlainTextResponse("hello")

    return Starlette(
        routes=[Route("/hello", hello), Mount("/rooms", server)], lifespan=lifespan_of(server)
    )


def fastapi(server: AsgiServer) -> FastAPI:
    application = FastAPI(lifespan=lifespan_of(server))
    application.mount("/rooms", server)

    @application.get("/hello", response_class=PlainTextResponse)
    async def hello() -> str:
        return "hello"

    return application


def django(server: AsgiServer) -> Any:
    if not settings.configured:
        settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY="x")
    pages = get_asgi_application()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await (pages if scope["type"] == "http" else server)(scope, receive, send)

    return application


def _hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


urlpatterns = [django_path("hello", _hello)]


class FailsToEnd(AsgiServer):
    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        try:
            await super().listen(task_status=task_status)
        finally:
            raise RuntimeError("the disk is full")


FRAMEWORKS = pytest.mark.parametrize(
    ("framework", "path"), [(starlette, "/"), (fastapi, "/"), (django, "/rooms")]
)


async def converse(port: int) -> None:
    async with (
        connect("websocket", id="a/ü", url=url(port)) as ann,
        connect("websocket", id="a/ü", url=url(port)) as bob,
    ):
        ann.doc["text"] = Text("x" * 1_000_000)
        await ann.flush()
        await until(bob.doc, lambda: len(str(bob.doc.get("text", type=Text))) == 1_000_000)
        bob.awareness.set_local_state({"name": "Bób"})
        await until(ann.awareness, lambda: len(ann.awareness.states) == 2)
    async with aiohttp.ClientSession() as session:
        async with session.get(url(port, "/hello", "http")) as response:
            assert await response.text() == "hello"


@FRAMEWORKS
async def test_rooms_in_an_application(serve: Serve, framework: Any, path: str) -> None:
    server = AsgiServer(path=path)
    async with serve(framework(server)) as port:
        await converse(port)
    assert not server.rooms.is_open


@pytest.mark.filterwarnings("ignore:.*deprecated", "ignore:remove second argument")
@pytest.mark.parametrize("implementation", ["websockets-sansio", "websockets", "wsproto"])
async def test_whatever_the_server_speaks_websockets_with(
    serve: Serve, implementation: str
) -> None:
    async with serve(starlette(AsgiServer()), ws=implementation) as port:
        await converse(port)


@FRAMEWORKS
@pytest.mark.parametrize("room", ROOMS)
async def test_the_id_of_the_room_arrives(
    serve: Serve, framework: Any, path: str, room: str
) -> None:
    server = AsgiServer(path=path)
    async with serve(framework(server)) as port:
        if not room and framework is not django:
            # Their routers leave the path itself to others, but not the path and a slash.
            room = "/"
        async with connect("websocket", id=room.removeprefix("/"), url=url(port)):
            assert [found.id for found in server.rooms] == [room.removeprefix("/")]


async def test_it_is_an_application_by_itself(serve: Serve) -> None:
    server = AsgiServer(path="/rooms")
    async with serve(server, lifespan="on") as port:
        async with connect("websocket", id="a/ü", url=url(port)) as client:
            client.doc["text"] = Text("hello")
            await client.flush()
        async with aiohttp.ClientSession() as session:
            async with session.get(url(port, "/rooms/x", "http")) as response:
                assert response.status == 426
                assert "Yjs" in await response.text()
        with pytest.raises(ConnectError, match="HTTP 404"):
            async with connect("websocket", id="x", url=url(port, "/elsewhere")):
                raise AssertionError("connected")
    assert not server.rooms.is_open


async def test_below_a_root_path(serve: Serve) -> None:
    """A proxy has taken the path of the application away."""
    server = AsgiServer(path="/rooms")
    async with serve(server, root_path="/application") as port:
        async with connect("websocket", id="x", url=url(port)):
            assert [room.id for room in server.rooms] == ["x"]


async def test_a_mount_whose_path_is_the_beginning_of_another() -> None:
    server = AsgiServer()
    scope = {"type": "websocket", "root_path": "/room", "path": "/rooms/x"}
    events: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.disconnect" if len(events) > 1 else "websocket.connect"}

    async def send(event: Any) -> None:
        events.append(event)

    async with server:
        await server(scope, receive, send)
        assert [room.id for room in server.rooms] == ["rooms/x"]


async def test_an_application_that_is_started_again(serve: Serve) -> None:
    application = starlette(AsgiServer())
    for _ in range(2):
        async with serve(application) as port:
            await converse(port)


async def test_one_set_of_rooms_on_two_wires(serve: Serve) -> None:
    rooms = Rooms()
    server = AsgiServer(rooms=rooms)

    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        async with rooms, bind("memory", rooms=rooms), server:
            yield

    application = Starlette(routes=[Mount("/rooms", server)], lifespan=lifespan)
    async with (
        serve(application) as port,
        connect("memory", id="x") as here,
        connect("websocket", id="x", url=url(port)) as there,
    ):
        here.doc["text"] = Text("hello")
        await until(there.doc, lambda: str(there.doc.get("text", type=Text)) == "hello")


async def test_a_lifespan_that_does_not_enter_it_is_told(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(Starlette(routes=[Mount("/rooms", AsgiServer())])) as port:
        with pytest.raises(ConnectError, match="HTTP 500"):
            async with connect("websocket", id="x", url=url(port)):
                raise AssertionError("connected")
    assert "enter this AsgiServer in the lifespan" in caplog.text


@pytest.mark.parametrize(
    ("phase", "server", "message"),
    [
        ("startup", AsgiServer(rooms=Rooms()), "the rooms are not open: use them as an async"),
        ("shutdown", FailsToEnd(), "the disk is full"),
    ],
)
async def test_a_failing_lifespan_says_why(phase: str, server: AsgiServer, message: str) -> None:
    events: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan"}

    async def send(event: Any) -> None:
        events.append(event)

    with pytest.raises(RuntimeError, match=message):
        await server({"type": "lifespan"}, receive, send)
    assert events[-1]["type"] == f"lifespan.{phase}.failed"
    assert message in events[-1]["message"]


async def test_another_kind_of_scope() -> None:
    with pytest.raises(ValueError, match="'carrier pigeon'"):
        await AsgiServer()({"type": "carrier pigeon"}, None, None)  # type: ignore[arg-type]


async def test_a_text_frame_is_closed_with_1003(serve: Serve) -> None:
    async with serve(AsgiServer()) as port, aiohttp.ClientSession() as session:
        websocket = await session.ws_connect(url(port, "/x"))
        await websocket.receive()
        await websocket.send_str('{"type": "hello"}')
        with fail_after(5):
            message = await websocket.receive()
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1003)


UPGRADE = (
    b"GET /x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame, masked with zeros (RFC 6455, section 5.2)."""
    return bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload


@pytest.mark.parametrize("implementation", ["websockets-sansio", "wsproto"])
async def test_the_last_words_of_a_client_that_is_gone_are_heard(
    serve: Serve, implementation: str
) -> None:
    """What it has sent has arrived, though nothing can be sent to it any more."""
    doc: Doc[Any] = Doc()
    doc["text"] = Text("the last words")
    server = AsgiServer()
    async with serve(server, ws=implementation) as port, server.rooms.join("x") as room:
        for _ in range(5):
            writer = await _open(port)
            words = [encode_step1(b"\0"), encode_update(doc.get_update())]
            # One write, so that all of it is there before any of it is answered.
            writer.write(b"".join(frame(0x2, w) for w in words) + frame(0x8, b"\x03\xe8"))
            await writer.drain()
            writer.close()
        text = room.doc.get("text", type=Text)
        await until(room.doc, lambda: str(text) == "the last words")


async def _open(port: int) -> asyncio.StreamWriter:
    """Connect, and neither read nor answer anything from then on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(UPGRADE)
    await reader.readuntil(b"\r\n\r\n")
    return writer


async def test_a_client_that_does_not_read_is_left_behind(serve: Serve) -> None:
    """What it does with the connection that stays is up to the ASGI server, after a bound."""
    server = AsgiServer(close_timeout=0.2)
    with fail_after(10):
        async with serve(server, lifespan="on", timeout_graceful_shutdown=1) as port:
            writer = await _open(port)
            room = await server.rooms.get("x")
            while not room.clients:
                await checkpoint()
            room.doc["text"] = Text("x" * 10_000_000)
    assert not room.clients
    writer.transport.abort()


async def test_who_vanishes_is_noticed(serve: Serve) -> None:
    server = AsgiServer()
    async with serve(server, ws_ping_interval=0.1, ws_ping_timeout=0.1) as port:
        writer = await _open(port)
        room = await server.rooms.get("x")
        with fail_after(5):
            while not room.clients:
                await checkpoint()
            # It answers no ping, though its connection stands.
            while room.clients:
                await checkpoint()
        writer.close()


PROGRAM = """
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from contextlib import asynccontextmanager
from ywire_websocket import AsgiServer

server = AsgiServer()

@asynccontextmanager
async def lifespan(application):
    async with server:
        yield
    print("saved", flush=True)

application = Starlette(routes=[Mount("/rooms", server)], lifespan=lifespan)
uvicorn.run(application, host="127.0.0.1", port=0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_program_that_is_told_to_end_ends(number: signal.Signals) -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert program.stdout is not None
    assert program.stderr is not None
    try:
        with fail_after(20):
            while b"running on" not in (line := await program.stderr.readline()):
                assert line
            port = int(line.decode().split("127.0.0.1:")[1].split()[0])
            async with connect("websocket", url=url(port, "/rooms/x")) as client:
                lost = client.synchronized
                program.send_signal(number)
                assert await program.stdout.readline() == b"saved\n"
                await program.wait()
                while client.synchronized is lost:
                    await checkpoint()
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()
