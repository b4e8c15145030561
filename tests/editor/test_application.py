"""The application with a page that is only made up, and the command that serves it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from pycrdt import Text
from yarl import URL

from examples.editor import __main__ as command
from examples.editor.application import make_application
from examples.editor.serving import running
from ycore import Rooms, ServerWire, bind, connect
from ycore.testing import until

PAGE = "<p>a page</p>"


@pytest.fixture
def anyio_backend() -> str:
    """The application is one of aiohttp, which runs on asyncio only."""
    return "asyncio"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "assets" / "a.js").write_text("a()")
    return tmp_path


@pytest.fixture
def rooms() -> Rooms:
    return Rooms()


@pytest.fixture
def zmq(rooms: Rooms) -> ServerWire:
    return bind("zmq", port=0, rooms=rooms)


@pytest.fixture
async def url(page: Path, rooms: Rooms, zmq: ServerWire) -> AsyncIterator[URL]:
    async with running(make_application(page, rooms, zmq), "127.0.0.1", 0) as url:
        yield URL(url)


async def test_it_serves_the_page(url: URL) -> None:
    async with ClientSession() as session:
        async with session.get(url) as response:
            assert await response.text() == PAGE
            assert response.headers["Cache-Control"] == "no-cache"
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        async with session.get(url / "assets/a.js") as response:
            assert await response.text() == "a()"


async def test_both_wires_lead_to_the_same_rooms(url: URL, zmq: ServerWire) -> None:
    async with (
        connect("websocket", id="a/ü", url=str(url / "rooms")) as person,
        connect("zmq", id="a/ü", endpoint=zmq.address) as program,
    ):
        person.doc["text"] = Text("hello")
        await until(program.doc, lambda: str(program.doc.get("text", type=Text)) == "hello")


@pytest.mark.parametrize("origin", ["http://example.org", "null", "http://127.0.0.1:1", "http://["])
async def test_pages_of_other_sites_are_refused(url: URL, origin: str) -> None:
    async with ClientSession() as session:
        async with session.get(url / "rooms/lobby", headers={"Origin": origin}) as response:
            assert response.status == 403


async def test_its_own_page_is_not_refused(url: URL) -> None:
    async with ClientSession() as session:
        async with session.ws_connect(url / "rooms/lobby", origin=str(url.origin())) as websocket:
            assert (await websocket.receive_bytes())[:2] == b"\0\0"


@pytest.mark.parametrize("option", ["--port", "--zmq-port"])
def test_a_port_in_use_is_one_line(
    option: str,
    page: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "built_page", lambda: page)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert command.main(["--port", "0", option, port]) == 1
    captured = capsys.readouterr()
    [line] = captured.err.splitlines()
    assert line.startswith("error: ")
    assert port in line
    assert "address already in use" in line.lower()
    assert captured.out == ""


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--port", port])
    assert "invalid port" in capsys.readouterr().err
