"""Rooms in an application that is somebody's own."""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from anyio import Event, create_task_group, fail_after, sleep_forever
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint
from pycrdt import Text

from ycore import Access, AccessRequest, ConnectError, ConnectionRejectedError, Room, Rooms, connect
from ycore.testing import until
from ywire_websocket import WebsocketServer, mount


@asynccontextmanager
async def running(application: web.Application, **options: Any) -> AsyncIterator[int]:
    """Run an application, as aiohttp does; give its port."""
    runner = web.AppRunner(application)
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, **options)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def url(port: int, path: str = "/rooms", scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{port}{path}"


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_one_line_mounts_the_rooms() -> None:
    application = web.Application()
    application.router.add_get("/rooms.html", hello)
    mount(application, "/rooms")
    async with running(application) as port:
        async with (
            connect("websocket", id="a/ü", url=url(port)) as ann,
            connect("websocket", id="a/ü", url=url(port)) as bob,
        ):
            ann.doc["text"] = Text("mounted")
            await until(bob.doc, lambda: str(bob.doc.get("text", type=Text)) == "mounted")
        async with aiohttp.ClientSession() as session:
            async with session.get(url(port, "/rooms.html", "http")) as response:
                assert await response.text() == "hello"
            async with session.get(url(port, "/rooms/a", "http")) as response:
                assert response.status == 426


@pytest.mark.skipif(find_spec("uvloop") is None, reason="needs uvloop")
@pytest.mark.parametrize(
    "anyio_backend", [pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop")]
)
async def test_on_another_event_loop_of_asyncio() -> None:
    application = web.Application()
    mount(application, "/rooms")
    async with running(application) as port:
        async with connect("websocket", url=url(port)) as client:
            client.doc["text"] = Text("x" * 1_000_000)
            await client.flush()


async def test_the_rooms_are_those_of_another_wire_too() -> None:
    """They need not be open before; the other wire may come with the application."""
    rooms = Rooms()
    application = web.Application()
    mount(application, "/rooms", rooms=rooms)
    other = WebsocketServer(port=0, rooms=rooms)

    async def serve_on_another_wire(application: web.Application) -> AsyncIterator[None]:
        async with other:
            yield

    application.cleanup_ctx.append(serve_on_another_wire)
    async with (
        running(application) as port,
        connect("websocket", id="x", url=url(port)) as here,
        connect("websocket", id="x", port=other.port) as there,
    ):
        here.doc["text"] = Text("hello")
        await until(there.doc, lambda: str(there.doc.get("text", type=Text)) == "hello")
    assert not rooms.is_open


async def test_rooms_that_are_open_already_stay_open() -> None:
    async with Rooms() as rooms:
        application = web.Application()
        endpoint = mount(application, rooms=rooms)
        assert endpoint.rooms is rooms
        async with running(application) as port:
            async with connect("websocket", id="x", port=port) as client:
                client.doc["text"] = Text("kept")
                await client.flush()
        assert rooms.is_open
        room = await rooms.get("x")
        assert str(room.doc.get("text", type=Text)) == "kept"


async def test_a_room_factory_and_options() -> None:
    application = web.Application()
    endpoint = mount(application, room_factory=Room, max_message_size=1000, heartbeat=1.0)
    assert endpoint.limits.max_message_size == 1000
    with pytest.raises(ValueError, match="one of the two"):
        mount(web.Application(), rooms=Rooms(), room_factory=lambda name: Room(name))
    with pytest.raises(ValueError, match="such as /rooms"):
        mount(web.Application(), "rooms")
    with pytest.raises(TypeError, match="port"):
        mount(web.Application(), port=1)  # type: ignore[call-arg]


async def test_an_application_that_runs_is_too_late() -> None:
    application = web.Application()
    async with running(application):
        with pytest.raises(RuntimeError, match="frozen"):
            mount(application)


async def test_below_the_path_of_a_part_of_the_application() -> None:
    part = web.Application()
    endpoint = mount(part, "/rooms")
    application = web.Application()
    application.add_subapp("/part", part)
    async with running(application) as port:
        async with connect("websocket", id="a/b c", url=url(port, "/part/rooms")):
            assert [room.id for room in endpoint.rooms] == ["a/b c"]
        with pytest.raises(ConnectError, match="HTTP 404"):
            async with connect("websocket", id="a/b c", url=url(port)):
                raise AssertionError("connected")


async def test_the_middlewares_of_the_application_decide_who_enters() -> None:
    @web.middleware
    async def know_you(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.cookies.get("session") != "ann":
            raise web.HTTPForbidden
        response: web.StreamResponse = await handler(request)
        return response

    application = web.Application(middlewares=[know_you])
    mount(application, "/rooms")
    async with running(application) as port:
        async with connect("websocket", url=url(port), cookies={"session": "ann"}) as ann:
            await ann.flush()
        with pytest.raises(ConnectionRejectedError, match="4403"):
            async with connect("websocket", url=url(port), cookies={"session": "eve"}):
                raise AssertionError("connected")


async def test_tls_is_the_applications(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    application = web.Application()
    mount(application, "/rooms")
    async with running(application, ssl_context=context) as port:
        async with connect(
            "websocket", url=url(port, scheme="wss"), ssl_context=trusting
        ) as client:
            await client.flush()


async def test_clients_are_told_that_the_application_goes() -> None:
    """At once: nobody waits for an answer that aiohttp does not take any more."""
    application = web.Application()
    endpoint = mount(application, "/rooms", close_timeout=60.0)
    codes: list[int | None] = []
    sizes: list[int] = []

    async def read_to_the_end(websocket: aiohttp.ClientWebSocketResponse) -> None:
        sizes.extend([len(message.data) async for message in websocket])
        codes.append(websocket.close_code)

    async with aiohttp.ClientSession() as session:
        with fail_after(5):
            async with create_task_group() as tasks, running(application) as port:
                websocket = await session.ws_connect(url(port, "/rooms/x"), autoclose=False)
                await websocket.receive()
                room = await endpoint.rooms.get("x")
                room.doc["text"] = Text("x" * 1_000_000)
                tasks.start_soon(read_to_the_end, websocket)
    assert codes == [1001]
    assert sizes[-1] > 1_000_000


async def test_what_a_room_saves_is_saved_when_the_application_ends() -> None:
    saved = {}

    class SavedRoom(Room):
        async def run(self, *, task_status: TaskStatus[None]) -> None:  # type: ignore[override]
            try:
                await super().run(task_status=task_status)
            finally:
                saved[self.id] = str(self.doc.get("text", type=Text))

    application = web.Application()
    mount(application, "/rooms", room_factory=SavedRoom)
    async with running(application) as port:
        async with connect("websocket", id="x", url=url(port)) as client:
            client.doc["text"] = Text("the last word")
    assert saved == {"x": "the last word"}


async def test_a_client_that_does_not_read_does_not_hold_the_shutdown_up() -> None:
    application = web.Application()
    endpoint = mount(application, "/rooms", close_timeout=0.2)
    with fail_after(10):
        async with running(application) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"GET /rooms/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                b"Sec-WebSocket-Version: 13\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            room = await endpoint.rooms.get("x")
            while not room.clients:
                await checkpoint()
            room.doc["text"] = Text("x" * 10_000_000)
    writer.transport.abort()


@pytest.mark.parametrize("where", ["authorize", "room"])
async def test_what_hangs_does_not_hold_the_shutdown_up(where: str) -> None:
    """Each may take longer than this by itself: until the `handshake_timeout`, or for ever."""
    is_hanging = Event()

    async def hang(request: AccessRequest) -> Access:
        is_hanging.set()
        await sleep_forever()
        raise AssertionError("woken up")

    class HangingRoom(Room):
        async def run(self, *, task_status: TaskStatus[None]) -> None:  # type: ignore[override]
            is_hanging.set()
            await sleep_forever()

    async def knock(port: int) -> None:
        with pytest.raises(ConnectError):
            async with connect("websocket", url=url(port)):
                raise AssertionError("connected")

    hanging: dict[str, Any] = {"authorize": {"authorize": hang}, "room": {}}[where]
    application = web.Application()
    mount(application, "/rooms", room_factory=HangingRoom, **hanging)
    with fail_after(10):
        async with create_task_group() as tasks, running(application) as port:
            tasks.start_soon(knock, port)
            await is_hanging.wait()


async def test_an_application_that_fails_to_start_leaves_nothing_open() -> None:
    async def fail(application: web.Application) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    application = web.Application()
    endpoint = mount(application)
    application.cleanup_ctx.append(fail)
    before = asyncio.all_tasks()
    with pytest.raises(ValueError, match="no database"):
        async with running(application):
            raise AssertionError("started")
    assert not endpoint.rooms.is_open
    assert asyncio.all_tasks() == before


async def test_an_application_that_is_started_again() -> None:
    application = web.Application()
    mount(application, "/rooms")
    for _ in range(2):
        async with running(application) as port:
            async with connect("websocket", url=url(port)) as client:
                await client.flush()


async def test_an_endpoint_that_fails_to_start_says_why() -> None:
    application = web.Application()
    endpoint = mount(application)
    async with endpoint.rooms, endpoint:
        # Once too often.
        with pytest.raises(RuntimeError, match="already been entered"):
            async with running(application):
                raise AssertionError("started")


async def test_starting_and_ending_in_different_tasks() -> None:
    application = web.Application()
    endpoint = mount(application)
    runner = web.AppRunner(application)
    await asyncio.create_task(runner.setup())
    assert endpoint.rooms.is_open
    await asyncio.create_task(runner.cleanup())
    assert not endpoint.rooms.is_open


PROGRAM = """
from aiohttp import web
from ywire_websocket import mount

application = web.Application()
mount(application, "/rooms")
web.run_app(application, host="127.0.0.1", port=0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_program_that_is_told_to_end_ends(number: signal.Signals) -> None:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, stdout=asyncio.subprocess.PIPE
    )
    assert program.stdout is not None
    try:
        with fail_after(20):
            line = await program.stdout.readline()
            port = int(line.decode().split(":")[-1].split()[0])
            async with connect("websocket", url=url(port)) as client:
                lost = client.synchronized
                program.send_signal(number)
                assert await program.wait() == 0
                while client.synchronized is lost:
                    await checkpoint()
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()
