"""Who may open a websocket: what a request shows, what a refusal looks like in HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aiohttp
import anyio
import pytest
from aiohttp import web
from anyio import EndOfStream, fail_after

from ycore import (
    Access,
    AccessDeniedError,
    AccessRequest,
    ConnectError,
    ConnectionRejectedError,
    Room,
    connect,
)
from ywire_websocket import WebsocketServer, mount


async def everybody(request: AccessRequest) -> Access:
    return Access.READ_WRITE


async def nobody(request: AccessRequest) -> Access:
    return Access.NONE


async def failing(request: AccessRequest) -> Access:
    raise ZeroDivisionError


async def ask(
    server: WebsocketServer, path: str = "/", headers: Mapping[str, str] | None = None
) -> tuple[int, str, Mapping[str, str]]:
    """Try to open a websocket; return the status, the body and the headers of the answer."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"http://127.0.0.1:{server.port}{path}",
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                **(headers or {}),
            },
        ) as response,
    ):
        if response.status == 101:
            response.close()
            return response.status, "", response.headers
        return response.status, await response.text(), response.headers


async def test_authorize_gets_what_the_request_shows() -> None:
    asked: list[AccessRequest] = []

    async def authorize(request: AccessRequest) -> Access:
        asked.append(request)
        return Access.READ_WRITE

    async with (
        WebsocketServer(port=0, authorize=authorize) as server,
        connect(
            "websocket",
            id="a/room",
            port=server.port,
            token="secret",
            headers={"X-Name": "Ann"},
            cookies={"session": "s"},
            params={"lang": "ü"},
        ),
    ):
        pass
    (request,) = asked
    assert (request.room, request.wire) == ("a/room", "websocket")
    assert request.peer.startswith("websocket 127.0.0.1:")
    credentials = request.credentials
    assert credentials.token == "secret"
    assert credentials.headers["x-name"] == "Ann"
    assert credentials.cookies == {"session": "s"}
    assert credentials.query == {"lang": "ü"}
    assert credentials.key is None
    assert credentials.certificate is None


@pytest.mark.parametrize(
    ("path", "headers", "token"),
    [
        ("/?token=from-a-browser", {}, "from-a-browser"),
        ("/", {"Authorization": "bearer  t0ken "}, "t0ken"),
        ("/?token=b", {"Authorization": "Bearer a"}, "a"),
        ("/", {"Authorization": "Basic YTpi"}, None),
        ("/", {}, None),
    ],
)
async def test_where_the_token_is(path: str, headers: dict[str, str], token: str | None) -> None:
    asked: list[str | None] = []

    async def authorize(request: AccessRequest) -> Access:
        asked.append(request.credentials.token)
        return Access.READ_WRITE

    async with WebsocketServer(port=0, authorize=authorize) as server:
        assert (await ask(server, path, headers))[0] == 101
    assert asked == [token]


@pytest.mark.parametrize(
    ("options", "headers", "status", "said"),
    [
        ({"authorize": nobody}, {}, 401, "not authenticated"),
        ({"authorize": nobody}, {"Cookie": "session=x"}, 403, "forbidden"),
        ({"authorize": nobody}, {"Authorization": "Basic eA=="}, 403, "forbidden"),
        ({"authorize": failing}, {}, 500, "nobody can be let in now"),
        ({"origins": "https://example.org"}, {"Origin": "https://example.com"}, 403, "origins"),
    ],
)
async def test_a_refusal_is_an_answer_in_http(
    options: dict[str, Any], headers: dict[str, str], status: int, said: str
) -> None:
    async with WebsocketServer(port=0, **options) as server:
        answer = await ask(server, headers=headers)
    assert answer[0] == status
    assert said in answer[1]
    assert ("Retry-After" in answer[2]) == (status >= 500)


async def test_a_full_server_answers_before_there_is_a_websocket() -> None:
    async with (
        WebsocketServer(port=0, max_connections=1) as server,
        connect("websocket", port=server.port),
    ):
        status, said, headers = await ask(server)
        assert (status, said) == (503, "the server is full: 1 connections\n")
        assert headers["Retry-After"] == "5"
        assert server.stats().refusals == {"max_connections": 1}
        with fail_after(5), pytest.raises(ConnectError, match="HTTP 503"):
            async with connect("websocket", port=server.port):
                raise AssertionError("connected")


async def test_the_room_is_not_loaded_for_who_may_not_enter() -> None:
    def make(id: str) -> Room:  # noqa: A002
        raise AssertionError(id)

    async with WebsocketServer(port=0, room_factory=make, authorize=nobody) as server:
        for token, code in ((None, 4401), ("wrong", 4403)):
            with fail_after(5), pytest.raises(ConnectionRejectedError) as caught:
                async with connect("websocket", port=server.port, token=token):
                    raise AssertionError("connected")
            assert caught.value.code == code


async def test_a_refusal_says_why() -> None:
    async def authorize(request: AccessRequest) -> Access:
        raise AccessDeniedError("come back with a newer token, Zoë", code=4401)

    async with WebsocketServer(port=0, authorize=authorize) as server:
        assert (await ask(server))[:2] == (401, "come back with a newer token, Zoë\n")


async def test_access_that_is_withdrawn_is_a_close_code() -> None:
    access = Access.READ_WRITE

    async def authorize(request: AccessRequest) -> Access:
        return access

    async with WebsocketServer(port=0, authorize=authorize) as server:
        async with connect("websocket", port=server.port).open() as channel:
            await channel.receive()
            access = Access.NONE
            await server.reauthorize()
            with fail_after(5), pytest.raises(EndOfStream):
                while True:
                    await channel.receive()
            assert (channel.close_code, channel.close_reason) == (4403, "access was withdrawn")


HOST = "rooms.example.org"


@pytest.mark.parametrize(
    ("origins", "headers", "status"),
    [
        # Without cookies no page can do more than any program.
        (None, {"Origin": "https://elsewhere.org"}, 101),
        (None, {"Cookie": "a=b"}, 101),
        (None, {"Cookie": "a=b", "Origin": f"https://{HOST}"}, 101),
        (None, {"Cookie": "a=b", "Origin": f"http://{HOST.upper()}:80"}, 101),
        (None, {"Cookie": "a=b", "Origin": "https://elsewhere.org"}, 403),
        (None, {"Cookie": "a=b", "Origin": f"https://{HOST}:8443"}, 403),
        (None, {"Cookie": "a=b", "Origin": f"https://{HOST}.elsewhere.org"}, 403),
        (None, {"Cookie": "a=b", "Origin": "null"}, 403),
        (None, {"Cookie": "a=b", "Origin": ""}, 403),
        (None, {"Cookie": "a=b", "Origin": "http://["}, 403),
        (None, {"Authorization": "Basic eA==", "Origin": "https://elsewhere.org"}, 403),
        (None, {"Authorization": "Basic eA==", "Origin": f"https://{HOST}"}, 101),
        ("https://app.org/", {"Origin": "https://App.org"}, 101),
        ("https://app.org:443", {"Origin": "https://app.org"}, 101),
        (["https://app.org", "http://localhost:5173"], {"Origin": "http://localhost:5173"}, 101),
        (["https://app.org"], {"Origin": "https://elsewhere.org"}, 403),
        (["https://app.org"], {"Origin": f"https://{HOST}"}, 403),
        (["https://app.org"], {}, 101),
        ([], {"Origin": "https://app.org"}, 403),
        ("*", {"Cookie": "a=b", "Origin": "https://elsewhere.org"}, 101),
    ],
)
async def test_origins(origins: Any, headers: dict[str, str], status: int) -> None:
    async with WebsocketServer(port=0, origins=origins, authorize=everybody) as server:
        assert (await ask(server, headers={"Host": HOST, **headers}))[0] == status
        assert server.stats().refusals == ({"origins": 1} if status == 403 else {})


@pytest.mark.parametrize(
    "origin",
    [
        "example.org",
        "https://",
        "https://example.org/path",
        "https://example.org?x",
        "https://bücher.org",
        "*.org",
    ],
)
def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ValueError, match="origins are like"):
        WebsocketServer(origins=[origin])


async def test_a_mounted_endpoint_has_the_same_door() -> None:
    application = web.Application()
    endpoint = mount(application, "/rooms", authorize=nobody, origins="https://app.org", linger=0)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"ws://127.0.0.1:{runner.addresses[0][1]}/rooms"
        assert endpoint.rooms.linger == 0
        with pytest.raises(ConnectionRejectedError, match="4401"):
            async with connect("websocket", url=url):
                raise AssertionError("connected")
    finally:
        await runner.cleanup()


async def test_a_long_reason_is_cut() -> None:
    """A close frame holds 123 bytes of it."""
    async with WebsocketServer(port=0, max_clients=1) as server:
        options: dict[str, Any] = {"id": "é" * 200, "port": server.port}
        async with connect("websocket", **options):
            with fail_after(5), pytest.raises(ConnectError, match=r"1013 room 'é+$"):
                async with connect("websocket", **options):
                    raise AssertionError("connected")


async def test_a_client_that_goes_while_it_is_decided_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked, go_on = anyio.Event(), anyio.Event()

    async def authorize(request: AccessRequest) -> Access:
        asked.set()
        await go_on.wait()
        return Access.READ_WRITE

    async with WebsocketServer(port=0, authorize=authorize) as server:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, server)
            with fail_after(5):
                await asked.wait()
            tasks.cancel_scope.cancel()
        go_on.set()
        with fail_after(5):
            async with connect("websocket", port=server.port):
                pass
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
