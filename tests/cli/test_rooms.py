"""`cat`, `watch` and `edit` in this process, with a server in another thread."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import sys
import threading
from typing import Any
from urllib.parse import quote

import pytest
from pycrdt import Array, Doc, Map, Text

from ycore.cli import main

# The fixtures, whose classes are in conftest.py.
Served = Any
RunBeside = Any
Lines = Any
Capture = pytest.CaptureFixture[str]

WIRES = pytest.mark.parametrize("wire", ["websocket", "zmq"])


def say(name: str, addition: str) -> Any:
    def change(doc: Doc[Any]) -> None:
        text = doc.get(name, type=Text)
        text += addition

    return change


def fill(doc: Doc[Any]) -> None:
    doc["b"] = Text("é\x85")
    doc["a"] = Array([1, Map({"z": None, "y": True})])


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    return content


@WIRES
def test_cat(served: Served, capsys: Capture, wire: str) -> None:
    served.change("room", fill)
    assert main(["cat", served.url("room", wire)]) == 0
    out, err = capsys.readouterr()
    assert out == (
        '{\n  "a": [\n    1,\n    {\n      "y": true,\n      "z": null\n    }\n  ],\n'
        '  "b": "é\\u0085"\n}\n'
    )
    assert err == ""


@pytest.mark.parametrize("room", ["", "a/b", "/a", "100% é?#"])
@WIRES
def test_a_room_has_the_same_id_everywhere(
    served: Served, capsys: Capture, room: str, wire: str
) -> None:
    served.change(room, say("text", "here"))
    assert main(["cat", served.url(quote(room), wire)]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "here"}


def test_the_rooms_below_a_prefix(served: Served, capsys: Capture) -> None:
    served.change("prefix/room", say("text", "below"))
    assert main(["cat", served.url("room?path=/prefix")]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "below"}


def test_an_endpoint_as_an_option(served: Served, capsys: Capture) -> None:
    served.change("room", say("text", "here"))
    endpoint = f"tcp://127.0.0.1:{served.port('zmq')}"
    assert main(["cat", f"zmq:///room?endpoint={endpoint}&connect_timeout=5"]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "here"}


@WIRES
def test_edit(served: Served, capsys: Capture, stdin: io.BytesIO, wire: str) -> None:
    served.change("room", say("text", "before, "))
    stdin.write("naïve\n".encode())
    stdin.seek(0)
    assert main(["edit", "--text", "text", served.url("room", wire)]) == 0
    assert main(["cat", served.url("room")]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "before, naïve\n"}


def test_edit_with_nothing_to_append(served: Served, capsys: Capture, stdin: io.BytesIO) -> None:
    assert main(["edit", "--text", "text", served.url("room")]) == 0
    assert main(["cat", served.url("room")]) == 0
    assert json.loads(capsys.readouterr().out) == {}


def test_edit_leaves_alone_what_is_no_text(
    served: Served, capsys: Capture, stdin: io.BytesIO
) -> None:
    served.change("room", fill)
    stdin.write(b"x")
    stdin.seek(0)
    assert main(["edit", "--text", "a", served.url("room")]) == 1
    expected = "ycore: error: the root 'a' is no text: it is of type Array\n"
    assert capsys.readouterr().err == expected


def test_edit_takes_text_only(served: Served, capsys: Capture, stdin: io.BytesIO) -> None:
    stdin.write(b"\xff")
    stdin.seek(0)
    assert main(["edit", "--text", "a", served.url("room")]) == 1
    assert capsys.readouterr().err.startswith("ycore: error: standard input is no UTF-8: ")


def test_edit_without_standard_input(
    served: Served, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["edit", "--text", "a", served.url("room")]) == 1
    assert capsys.readouterr().err == "ycore: error: there is no standard input\n"


@pytest.mark.parametrize("command", ["cat", "watch"])
@WIRES
def test_a_server_that_is_not_there(capsys: Capture, command: str, wire: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert main([command, f"{wire}://127.0.0.1:{port}/room"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("ycore: error: cannot reach ")
    assert f"127.0.0.1:{port}" in err
    assert err.count("\n") == 1


def test_a_server_that_does_not_answer(capsys: Capture) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        assert main(["cat", f"websocket://127.0.0.1:{port}/room?connect_timeout=0.1"]) == 1
    assert "did not answer within 0.1 s" in capsys.readouterr().err


def test_more_words_about_the_connection(served: Served, capsys: Capture) -> None:
    assert main(["cat", "-v", served.url("room")]) == 0
    assert "INFO ycore.client: " in capsys.readouterr().err


@WIRES
def test_watch(served: Served, run_beside: RunBeside, wire: str) -> None:
    def script(lines: Lines) -> None:
        assert lines.next() == "{}\n"
        served.change("room", say("text", "one"))
        assert lines.next() == '{"text": "one"}\n'
        # This is in the document, but not in its JSON.
        served.change("room", lambda doc: doc.get("text", type=Text).format(0, 1, {"bold": True}))
        served.change("room", say("text", " two"))
        assert lines.next() == '{"text": "one two"}\n'

    assert run_beside(script, "watch", served.url("room", wire)) == 0


def test_watch_gives_whole_lines_to_a_slow_reader(served: Served, run_beside: RunBeside) -> None:
    served.change("room", say("text", "x" * 1_000_000))

    def script(lines: Lines) -> None:
        assert json.loads(lines.next()) == {"text": "x" * 1_000_000}

    assert run_beside(script, "watch", served.url("room")) == 0


def test_watch_can_be_interrupted_while_its_reader_is_busy(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.change("room", say("text", "x" * 1_000_000))
    reading, writing = os.pipe()
    interrupter = threading.Thread(target=lambda: _interrupt_after_first(reading))
    with open(reading, "rb", closefd=True), open(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        interrupter.start()
        assert main(["watch", served.url("room")]) == 0
        interrupter.join()


def _interrupt_after_first(descriptor: int) -> None:
    os.read(descriptor, 1)
    os.kill(os.getpid(), signal.SIGINT)


def test_watch_ends_when_its_reader_leaves(
    served: Served, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()

    def look_once() -> None:
        with open(reading) as reader:
            assert reader.readline() == "{}\n"

    reader = threading.Thread(target=look_once)
    with open(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        reader.start()
        assert main(["watch", served.url("room")]) == 0
        reader.join()
    assert capsys.readouterr().err == ""


def test_watch_into_something_that_is_no_pipe(
    served: Served, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open("/dev/full", "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["watch", served.url("room")]) == 1
    expected = "ycore: error: cannot write to standard output: No space left on device\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize("arguments", [["cat"], ["watch"], ["cat", "--help"]])
def test_a_pipe_that_nobody_reads(
    served: Served, capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main([*arguments, served.url("room")]) == 0
    assert capsys.readouterr().err == ""


def test_cat_without_standard_output(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["cat", served.url("room")]) == 0


def test_cat_into_a_string(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(sys, "stdout", written)
    assert main(["cat", served.url("room")]) == 0
    assert written.getvalue() == "{}\n"


def test_failing_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["cat", "no URL"]) == 2


def test_utf_8_whatever_the_locale(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.change("room", fill)
    written = io.BytesIO()
    stdout = io.TextIOWrapper(written, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["cat", served.url("room")]) == 0
    assert "é" in written.getvalue().decode()


def test_ctrl_c_while_reading_standard_input(
    served: Served, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Interrupted()))
    assert main(["edit", "--text", "a", served.url("room")]) == 130
    assert capsys.readouterr().err == ""
