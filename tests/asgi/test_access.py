"""Who may open a websocket behind an ASGI server."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from anyio import fail_after

from ycore import Access, AccessRequest, Authorize, ConnectionRejectedError, connect
from ywire_websocket import AsgiServer

# A fixture, whose class is in conftest.py.
Serve = Any

IMPLEMENTATIONS = ["websockets-sansio", "wsproto"]


async def by_token(request: AccessRequest) -> Access:
    return Access.READ_WRITE if request.credentials.token == "secret" else Access.NONE


async def test_authorize_gets_what_the_request_shows(serve: Serve) -> None:
    asked: list[AccessRequest] = []

    async def authorize(request: AccessRequest) -> Access:
        asked.append(request)
        return Access.READ_WRITE

    async with serve(AsgiServer(authorize=authorize)) as port:
        async with connect(
            "websocket",
            id="a/room",
            port=port,
            token="secret",
            headers={"X-Name": "Ann", "Cookie": 'session=s; odd={"a":1}; quoted="q"'},
            params={"lang": "ü", "blank": ""},
        ):
            pass
    (request,) = asked
    assert (request.room, request.wire) == ("a/room", "websocket")
    assert request.peer.startswith("websocket 127.0.0.1:")
    assert request.credentials.token == "secret"
    assert request.credentials.headers["x-name"] == "Ann"
    assert request.credentials.cookies == {"session": "s", "odd": '{"a":1}', "quoted": "q"}
    assert request.credentials.query == {"lang": "ü", "blank": ""}


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("token", "code"), [(None, 4401), ("wrong", 4403)])
async def test_who_may_not_enter(
    serve: Serve, implementation: str, token: str | None, code: int
) -> None:
    server = AsgiServer(authorize=by_token)
    async with serve(server, ws=implementation) as port:
        with fail_after(5), pytest.raises(ConnectionRejectedError) as caught:
            async with connect("websocket", port=port, token=token):
                raise AssertionError("connected")
        assert caught.value.code == code
        async with connect("websocket", port=port, token="secret"):
            assert server.stats().connections == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Cookie": "a=b", "Origin": "https://elsewhere.org"}, 403),
        ({"Cookie": "a=b", "Origin": "https://here.org"}, 101),
        ({"Cookie": '=;;,"', "Origin": "https://here.org"}, 101),
        ({"Cookie": "a=b", "Origin": "http://["}, 403),
        ({"Origin": "https://elsewhere.org"}, 101),
    ],
)
async def test_origins(serve: Serve, headers: dict[str, str], status: int) -> None:
    async with serve(AsgiServer()) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}/"
        try:
            async with session.ws_connect(url, headers={"Host": "here.org", **headers}) as opened:
                assert opened.closed is False
                seen = 101
        except aiohttp.WSServerHandshakeError as exc:
            seen = exc.status
    assert seen == status


async def failing(request: AccessRequest) -> Access:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("authorize", "answer"),
    [
        # It answers with 403 then (ASGI specification, "Close"), which is for good.
        (by_token, [{"type": "websocket.close"}]),
        (
            failing,
            [
                {"type": "websocket.accept"},
                {"type": "websocket.close", "code": 1011, "reason": "nobody can be let in now"},
            ],
        ),
    ],
)
async def test_a_server_without_the_extension_says_no_all_the_same(
    authorize: Authorize, answer: list[Any]
) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        sent.append(event)

    async with AsgiServer(authorize=authorize) as server:
        await server({"type": "websocket", "path": "/room"}, receive, send)
    assert sent == answer
