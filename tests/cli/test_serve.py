"""`serve` in this process, with clients in another thread."""

from __future__ import annotations

import logging
import re
import socket
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from pycrdt import Doc, Text

from ycore import connect
from ycore.cli import main

# The fixtures, whose classes are in conftest.py.
RunBeside = Any
Lines = Any
Capture = pytest.CaptureFixture[str]


def visit(wire: str, addition: str = "", **options: Any) -> str:
    """Append to the text of a room; return what it is then."""

    async def run() -> str:
        async with connect(wire, doc=Doc(), **options) as client:
            text = client.doc.get("text", type=Text)
            text += addition
            return str(text)

    return anyio.run(run)


def port_in(line: str) -> int:
    found = re.search(r":(\d+)/", line)
    assert found, line
    return int(found[1])


def test_one_set_of_rooms_on_every_wire(
    run_beside: RunBeside, capsys: Capture, tmp_path: Path
) -> None:
    endpoint = f"ipc://{tmp_path}/socket"

    def script(lines: Lines) -> None:
        websocket = lines.next()
        assert re.fullmatch(r"serving websocket on ws://127\.0\.0\.1:[1-9]\d+/\n", websocket)
        assert lines.next() == f"serving zmq on {endpoint}\n"
        assert lines.next().startswith("serving memory on ")
        visit("websocket", "one ", id="a/b", port=port_in(websocket))
        assert visit("zmq", "two", id="a/b", endpoint=endpoint) == "one two"

    code = run_beside(
        script, "serve", "websocket://127.0.0.1:0", f"zmq://?endpoint={endpoint}", "memory://"
    )
    assert code == 0
    log = capsys.readouterr().err
    assert re.search(r"INFO ycore.room: room 'a/b': websocket 127\.0\.0\.1:\d+ joined", log)
    assert "room 'a/b': zmq" in log
    assert log.count(" left\n") == 2


def test_ipv6_and_a_path(run_beside: RunBeside, capsys: Capture) -> None:
    def script(lines: Lines) -> None:
        line = lines.next()
        assert re.fullmatch(r"serving websocket on ws://\[::1\]:\d+/rooms\n", line)
        visit("websocket", "x", host="::1", port=port_in(line), path="/rooms", id="room")

    code = run_beside(script, "serve", "websocket://[::1]:0/rooms")
    assert code == 0
    assert "room 'room'" in capsys.readouterr().err


def test_a_quiet_server(run_beside: RunBeside, capsys: Capture) -> None:
    def script(lines: Lines) -> None:
        visit("websocket", "x", port=port_in(lines.next()))

    assert run_beside(script, "serve", "-q", "websocket://:0") == 0
    assert capsys.readouterr().err == ""


def test_logging_is_as_it_was_afterwards(run_beside: RunBeside, capsys: Capture) -> None:
    names = [None, "ycore", "ywire"]
    before = [logging.getLogger(name).level for name in names]
    handlers = list(logging.getLogger().handlers)
    code = run_beside(lambda lines: lines.next(), "serve", "-vv", "websocket://:0")
    assert code == 0
    assert [logging.getLogger(name).level for name in names] == before
    assert logging.getLogger().handlers == handlers


def test_how_long_rooms_are_kept(run_beside: RunBeside) -> None:
    def script(expected: str, lines: Lines) -> None:
        port = port_in(lines.next())
        visit("websocket", "one", port=port)
        assert visit("websocket", " two", port=port) == expected

    assert run_beside(partial(script, "one two"), "serve", "websocket://:0") == 0
    # The second visit waits for the end of the room that closes.
    assert run_beside(partial(script, " two"), "serve", "--linger=0", "websocket://:0") == 0


def test_the_bounds_of_the_rooms(run_beside: RunBeside, capsys: Capture) -> None:
    def script(lines: Lines) -> None:
        port = port_in(lines.next())
        visit("websocket", "x", port=port, id="one")
        with pytest.raises(ConnectionError, match="there are 1 rooms already"):
            visit("websocket", "x", port=port, id="two")

    assert run_beside(script, "serve", "--max-rooms=1", "websocket://:0") == 0
    assert "was refused: there are 1 rooms already" in capsys.readouterr().err


@pytest.mark.parametrize("wire", ["websocket", "zmq"])
def test_a_port_in_use(capsys: Capture, wire: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["serve", f"{wire}://127.0.0.1:{port}"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ycore: error: cannot serve {wire}://127.0.0.1:{port}: ")
    assert "already in use" in err
    assert err.count("\n") == 1


def test_a_port_that_two_wires_want(run_beside: RunBeside, capsys: Capture) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]

    def script(lines: Lines) -> None:
        assert lines.next().startswith("serving websocket on ")
        assert lines.next() == ""

    url = f"websocket://127.0.0.1:{port}"
    assert run_beside(script, "serve", url, url, interrupt=False) == 1
    assert f"cannot serve {url}: " in capsys.readouterr().err
