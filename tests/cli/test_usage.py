"""What cannot be asked for: one line on standard error, and exit code 2."""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from ycore import ClientWire, ServerWire, Wire, hookimpl, register, unregister, wires
from ycore.cli import main


class OddServer(ServerWire):
    def __init__(self, *, level: int, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        super().__init__(**options)
        if level < 0:
            raise ValueError("level must not be negative")

    async def listen(self, *, task_status: Any) -> None:
        raise KeyError("a mistake")


class OddClient(ClientWire):
    def __init__(self, *, untyped, **options: Any) -> None:  # type: ignore[no-untyped-def]
        super().__init__(**options)

    address = "nowhere"

    def open(self) -> Any:
        raise KeyError("a mistake")


class SlowServer(ServerWire):
    """Is interrupted before it serves."""

    async def listen(self, *, task_status: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.sleep_forever()


class OddPlugin:
    @hookimpl
    def ycore_wires(self) -> list[Wire]:
        return [
            Wire("odd", server=OddServer, client=OddClient),
            Wire("deaf", server=None, client=OddClient),
            Wire("mute", server=OddServer, client=None),
            Wire("broken", server=None, client=_broken),
            Wire("slow", server=SlowServer, client=None),
        ]


def _broken(*, id: str, doc: object, reconnect: bool) -> ClientWire:  # noqa: A002
    raise AssertionError("a mistake")


@pytest.fixture(autouse=True)
def odd_wires() -> Iterator[None]:
    plugin = OddPlugin()
    register(plugin)
    yield
    unregister(plugin)


def fails(capsys: pytest.CaptureFixture[str], code: int, *arguments: str) -> str:
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ycore: error: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("", "required: COMMAND (see ycore --help)"),
        ("dance", "invalid choice: 'dance'"),
        ("serve", "required: URL (see ycore serve --help)"),
        ("serve --linge 3 memory://", "unrecognized arguments: --linge"),
        ("serve --linger long memory://", "argument --linger: 'long' is no number"),
        ("serve --linger nan memory://", "argument --linger: 'nan' is no number"),
        ("serve --linger=-1 memory://", "linger must not be negative"),
        ("serve --max-rooms 1.5 memory://", "argument --max-rooms: invalid int value: '1.5'"),
        ("serve --max-rooms 0 memory://", "max_rooms and max_clients at least 1"),
        ("serve 8000", "'8000' is no URL"),
        ("edit memory://", "required: --text"),
        ("serve websockt://", "no wire named 'websockt' is installed (installed: "),
        ("cat websockt://", "no wire named 'websockt' is installed (installed: "),
        ("serve memory://host", "takes no option 'host'; it takes: close_timeout,"),
        ("serve memory://:1", "takes no option 'port'"),
        ("serve memory:///path", "takes no option 'path'"),
        ("cat memory://room", "takes no option 'host'"),
        ("cat memory://room", "for a room write memory:///ROOM"),
        ("serve websocket://?hots=x", "the server of the wire 'websocket' takes no option 'hots'"),
        ("cat websocket://?hots=x", "the client of the wire 'websocket' takes no option 'hots'"),
        ("serve websocket://h?host=x", "websocket://h?host=x: the host is given twice"),
        ("serve websocket://:1?port=1", "the port is given twice"),
        ("serve websocket:///a?path=/a", "the path is given twice"),
        ("serve websocket://?port=http", "the option 'port' takes a whole number, not 'http'"),
        ("serve websocket://?ssl_context=x", "'ssl_context' cannot be given on the command line"),
        ("cat websocket://?headers=x", "'headers' cannot be given on the command line"),
        ("serve websocket://?rooms=x", "'rooms' cannot be given on the command line"),
        ("serve memory://?room_factory=x", "'room_factory' cannot be given on the command line"),
        ("cat websocket://?id=x", "'id' cannot be given on the command line"),
        ("watch websocket://?auto_pull=off", "'auto_pull' cannot be given on the command line"),
        ("serve memory://?max_message_size=0", "max_message_size must be positive"),
        ("cat memory://?connect_timeout=0", "connect_timeout must be positive"),
        ("cat zmq:///room", "Give a port or an endpoint"),
        ("serve odd://?level=-1", "odd://?level=-1: level must not be negative"),
        ("serve odd://?level=1&tls=x", "'tls' cannot be given on the command line"),
        ("cat odd://?untyped=1", "'untyped' cannot be given on the command line"),
        ("serve deaf://", "the wire 'deaf' has no server side"),
        ("cat mute://", "the wire 'mute' has no client side"),
    ],
)
def test_misuse(capsys: pytest.CaptureFixture[str], arguments: str, complaint: str) -> None:
    assert complaint in fails(capsys, 2, *arguments.split())


def test_a_wire_of_this_project_that_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ycore.wires._registry", wires._Registry())
    monkeypatch.setattr("ycore.wires.entry_points", lambda **selection: [])
    assert "pip install ywire-websocket" in fails(capsys, 2, "serve", "websocket://")


def test_nothing_is_opened_before_every_url_is_understood(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "'x' is no URL" in fails(capsys, 2, "serve", "websocket://:0", "x")
    assert "no option 'x'" in fails(capsys, 2, "serve", "websocket://:0", "memory://?x=1")


def test_what_a_wire_takes(capsys: pytest.CaptureFixture[str]) -> None:
    expected = (
        "ycore: error: odd://?x=1: the server of the wire 'odd' takes no option 'x'; it takes: "
        "close_timeout, handshake_timeout, level, max_awareness_size, max_connections, "
        "max_message_size, max_waiting_size, send_timeout\n"
    )
    assert fails(capsys, 2, "serve", "odd://?x=1") == expected


def test_an_option_of_a_wire_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "level" in fails(capsys, 2, "serve", "odd://")


@pytest.mark.parametrize("command", ["serve odd://?level=1", "cat broken://"])
def test_a_mistake_in_a_wire(capsys: pytest.CaptureFixture[str], command: str) -> None:
    err = fails(capsys, 1, *command.split())
    assert "unexpected " in err
    assert "a mistake" in err
    assert "-vv" in err


def test_a_traceback_for_those_who_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cat", "-vv", "broken://"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("ycore: error: unexpected AssertionError")


def test_interrupted_before_it_serves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "slow://"]) == 0
    assert capsys.readouterr() == ("", "")


def test_one_line_whatever_a_message_holds(capsys: pytest.CaptureFixture[str]) -> None:
    err = fails(capsys, 1, "cat", "memory:///a?name=x%0Ay%1B[31m")
    assert "x\\ny\\x1b[31m" in err
