"""The command as users start it: in processes of its own, ended by signals."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from ycore.cli import main

# The fixtures, whose classes are in conftest.py.
Spawn = Any
Capture = pytest.CaptureFixture[str]

SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


@SIGNALS
def test_a_session(spawn: Spawn, number: signal.Signals, tmp_path: Path) -> None:
    server = spawn("serve", "websocket://127.0.0.1:0", f"zmq://?endpoint=ipc://{tmp_path}/s")
    found = re.fullmatch(r"serving websocket on ws://127.0.0.1:(\d+)/\n", server.out.next())
    assert found
    assert server.out.next() == f"serving zmq on ipc://{tmp_path}/s\n"
    by_websocket = f"websocket://127.0.0.1:{found[1]}/room"
    by_zmq = f"zmq:///room?endpoint=ipc://{tmp_path}/s"

    watcher = spawn("watch", by_zmq)
    assert watcher.out.next() == "{}\n"
    editor = spawn("edit", "--text", "notes", by_websocket)
    editor.stdin.write("hello\n")
    editor.stdin.close()
    assert editor.wait() == 0
    assert watcher.out.next() == '{"notes": "hello\\n"}\n'
    reader = spawn("cat", by_zmq)
    assert json.loads(reader.out.rest()) == {"notes": "hello\n"}
    assert reader.wait() == 0

    watcher.send(number)
    assert watcher.wait() == 0
    assert watcher.out.rest() == watcher.err.rest() == ""
    server.send(number)
    assert server.wait() == 0
    assert server.out.rest() == ""
    assert "Traceback" not in server.err.rest()


def test_watch_survives_its_server(spawn: Spawn, tmp_path: Path) -> None:
    server_url, url = (f"zmq://{path}?endpoint=ipc://{tmp_path}/s" for path in ("", "/room"))
    server = spawn("serve", server_url)
    assert server.out.next()
    watcher = spawn("watch", url)
    assert watcher.out.next() == "{}\n"
    editor = spawn("edit", "--text", "notes", url)
    editor.stdin.write("one")
    editor.stdin.close()
    assert editor.wait() == 0
    assert watcher.out.next() == '{"notes": "one"}\n'
    server.send(signal.SIGTERM)
    assert server.wait() == 0

    server = spawn("serve", server_url)
    assert server.err.next().endswith("joined\n")
    # The watcher gives back what the server forgot, perhaps after somebody else has joined.
    reader = spawn("watch", url)
    assert '{"notes": "one"}\n' in iter(reader.out.next, "")
    server.send(signal.SIGKILL)
    server.wait()
    watcher.send(signal.SIGTERM)
    assert watcher.wait() == 0
    assert "trying again" in watcher.err.rest()


def test_the_wire_of_somebody_else(spawn: Spawn, other_wire: Path, tmp_path: Path) -> None:
    listing = spawn("wires", path=other_wire)
    assert ["other_wire", "other-wire"] in map(str.split, listing.out.rest().splitlines())
    url = f"other_wire:///room?socket={tmp_path}/s"
    server = spawn("serve", url.replace("room", "") + "&loud=yes", path=other_wire)
    assert server.out.next() == f"serving other_wire on {tmp_path}/s\n"
    editor = spawn("edit", "--text", "notes", url, path=other_wire)
    editor.stdin.write("hello")
    editor.stdin.close()
    assert editor.wait() == 0
    reader = spawn("cat", url, path=other_wire)
    assert json.loads(reader.out.rest()) == {"notes": "hello"}
    server.send(signal.SIGTERM)
    assert server.wait() == 0


def test_nobody_reads_on(spawn: Spawn, environment: dict[str, str], tmp_path: Path) -> None:
    endpoint = f"ipc://{tmp_path}/s"
    server = spawn("serve", f"zmq://?endpoint={endpoint}")
    server.out.next()
    for command in ("cat", "watch"):
        ycore = f"{sys.executable} -m ycore {command} 'zmq:///room?endpoint={endpoint}'"
        ended = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {ycore} | head -c 1"],
            capture_output=True,
            env=environment,
            timeout=60,
            check=True,
        )
        assert (ended.stdout, ended.stderr) == (b"{", b"")


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [("cat", signal.SIGINT, 130), ("watch", signal.SIGINT, 0), ("watch", signal.SIGTERM, 0)],
)
def test_interrupted_while_connecting(
    spawn: Spawn, command: str, number: signal.Signals, code: int
) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        client = spawn(command, f"websocket://127.0.0.1:{mute.getsockname()[1]}/room")
        mute.settimeout(20)
        with mute.accept()[0]:
            client.send(number)
            assert client.wait() == code
    assert client.out.rest() == client.err.rest() == ""


def test_the_end_without_a_reader(environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for arguments in (["wires"], ["--help"], ["--version"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ycore", *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=60,
            check=True,
        )
        assert ended.stderr == b""
    os.close(writing)


WITNESS = """
import sys
from ycore.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as exc:
    code = exc.code
roots = {name.partition(".")[0] for name in sys.modules}
print(code, sorted(r for r in roots if r in ("aiohttp", "zmq", "trio") or r.startswith("ywire")))
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["wires"], 0), (["--help"], 0), (["serve", "--help"], 0), (["cat", "nothing://"], 2)],
)
def test_a_wire_is_imported_on_use_only(arguments: list[str], code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITNESS, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout.splitlines()[-1] == f"{code} []"


def test_wires(capsys: Capture) -> None:
    assert main(["wires"]) == 0
    listed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    ours = {"memory": "ywire-memory", "websocket": "ywire-websocket", "zmq": "ywire-zmq"}
    assert listed | ours == listed


def test_no_wires(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.wires.entry_points", lambda **selection: [])
    assert main(["wires"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert "pip install ywire-websocket" in err


@pytest.mark.parametrize(
    "arguments", [["--help"], *([c, "-h"] for c in ("serve", "wires", "cat", "watch", "edit"))]
)
def test_help(capsys: Capture, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ycore ")


def test_the_module_is_the_command() -> None:
    # With the environment as it is: coverage of this module is measured in the other process.
    out = subprocess.check_output([sys.executable, "-m", "ycore", "--version"], text=True)
    assert out == f"ycore {version('ycore')}\n"


def test_importing_the_module_runs_nothing(capsys: Capture) -> None:
    importlib.import_module("ycore.__main__")
    assert capsys.readouterr().out == ""
