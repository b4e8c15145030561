"""A server beside the test; the command in this process, and in processes of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Queue
from threading import Event, Thread
from typing import IO, Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pycrdt import Doc

from ycore import Rooms, ServerWire, bind
from ycore.cli import main

PATIENCE = 20.0


class Lines:
    """The lines of a stream, with a bound on how long one may take to come."""

    def __init__(self, stream: IO[str]) -> None:
        self._lines: Queue[str] = Queue()
        self._thread = Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def next(self) -> str:
        """Return the next line, or the empty string at the end."""
        line = self._lines.get(timeout=PATIENCE)
        if not line:
            self._lines.put(line)
        return line

    def rest(self) -> str:
        return "".join(iter(self.next, ""))

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put("")


class Command:
    """The command in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self.stdin = process.stdin
        self.out = Lines(process.stdout)
        self.err = Lines(process.stderr)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(PATIENCE)


Spawn = Callable[..., Command]


def environment(path: Path | None = None) -> dict[str, str]:
    """Return the environment for a process whose standard error is to be its own."""
    # The measuring of coverage complains there when several test runs share a directory.
    kept = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    return kept | ({"PYTHONPATH": str(path)} if path else {})


@pytest.fixture(name="environment")
def environment_fixture() -> dict[str, str]:
    return environment()


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Start `ycore` with arguments; whatever still runs at the end is killed."""
    with ExitStack() as stack:

        def start(*arguments: str, path: Path | None = None) -> Command:
            command = Command(
                subprocess.Popen(
                    [sys.executable, "-m", "ycore", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=environment(path),
                )
            )
            stack.callback(_end, command)
            return command

        yield start


def _end(command: Command) -> None:
    if command.process.poll() is None:
        command.process.kill()
    command.process.wait(PATIENCE)
    command.stdin.close()
    command.out.rest()
    command.err.rest()


class Served:
    """Rooms that are served on two wires by another thread."""

    def __init__(self, portal: BlockingPortal, rooms: Rooms, servers: dict[str, ServerWire]):
        self.portal = portal
        self.rooms = rooms
        self.servers = servers

    def url(self, room: str = "", wire: str = "websocket") -> str:
        return f"{wire}://127.0.0.1:{self.port(wire)}/{room}"

    def port(self, wire: str = "websocket") -> int:
        port: int = getattr(self.servers[wire], "port")  # noqa: B009 - a wire's own
        return port

    def change(self, room: str, change: Callable[[Doc[Any]], object]) -> None:
        """Change the document of a room, opening the room if needed."""

        async def run() -> None:
            change((await self.rooms.get(room)).doc)

        self.portal.call(run)


@pytest.fixture
def served() -> Iterator[Served]:
    with start_blocking_portal() as portal:
        rooms = Rooms(linger=60)
        servers = {wire: bind(wire, rooms=rooms, port=0) for wire in ("websocket", "zmq")}
        with ExitStack() as stack:
            stack.enter_context(portal.wrap_async_context_manager(rooms))
            for server in servers.values():
                stack.enter_context(portal.wrap_async_context_manager(server))
            yield Served(portal, rooms, servers)


Beside = Callable[..., int]


@pytest.fixture
def run_beside(monkeypatch: pytest.MonkeyPatch) -> Beside:
    """Run `main` in this process while a script reads its lines and finally interrupts it."""

    def run(script: Callable[[Lines], object], *arguments: str, interrupt: bool = True) -> int:
        failures: list[BaseException] = []
        ended = Event()

        def follow(lines: Lines) -> None:
            try:
                script(lines)
            except BaseException as exc:  # noqa: BLE001 - the test raises it
                failures.append(exc)
            if (interrupt or failures) and not ended.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

        with _piped_stdout(monkeypatch) as lines:
            thread = Thread(target=follow, args=(lines,))
            thread.start()
            try:
                code = main(arguments)
            finally:
                ended.set()
        thread.join(PATIENCE)
        lines.rest()
        if failures:
            raise failures[0]
        return code

    return run


@contextmanager
def _piped_stdout(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    reading, writing = os.pipe()
    # Its own thread closes it.
    lines = Lines(open(reading))  # noqa: SIM115
    with monkeypatch.context() as patch, open(writing, "w") as stdout:
        patch.setattr(sys, "stdout", stdout)
        yield lines


@pytest.fixture
def other_wire(tmp_path: Path) -> Path:
    """Install a wire of somebody else's, for processes that are given this path."""
    (tmp_path / "otherwire.py").write_text(OTHER_WIRE)
    info = tmp_path / "other_wire-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-wire\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ycore.wires]\nother_wire = otherwire\n")
    return tmp_path


OTHER_WIRE = textwrap.dedent('''
    """Messages over a unix socket, each after its length."""

    from contextlib import asynccontextmanager
    from anyio import BrokenResourceError, EndOfStream, IncompleteRead
    from anyio import connect_unix, create_unix_listener
    from anyio.streams.buffered import BufferedByteReceiveStream
    from ycore import Channel, ClientWire, ServerWire, Wire, hookimpl

    class SocketChannel(Channel):
        def __init__(self, id, stream):
            super().__init__(id, peer="somebody")
            self.stream, self.buffered = stream, BufferedByteReceiveStream(stream)

        async def send(self, message):
            await self.stream.send(len(message).to_bytes(4, "big") + message)

        async def receive(self):
            try:
                size = int.from_bytes(await self.buffered.receive_exactly(4), "big")
                return await self.buffered.receive_exactly(size) if size else b""
            except IncompleteRead:
                raise EndOfStream from None

        async def aclose(self, code=1000, reason=""):
            await self.stream.aclose()

    class SocketServer(ServerWire):
        def __init__(self, *, socket: str, loud: bool = False, **options):
            super().__init__(**options)
            self.socket = socket

        @property
        def address(self):
            return self.socket

        async def listen(self, *, task_status):
            async def serve(stream):
                channel = SocketChannel("", stream)
                channel.id = (await channel.receive()).decode()
                await self.serve(channel)

            async with await create_unix_listener(self.socket) as listener:
                task_status.started()
                await listener.serve(serve)

    class SocketClient(ClientWire):
        def __init__(self, *, socket: str, **options):
            super().__init__(**options)
            self.socket = socket

        @property
        def address(self):
            return self.socket

        @asynccontextmanager
        async def open(self):
            async with await connect_unix(self.socket) as stream:
                channel = SocketChannel(self.id, stream)
                await channel.send(self.id.encode())
                yield channel

    @hookimpl
    def ycore_wires():
        return [Wire("other_wire", server=SocketServer, client=SocketClient)]
''')
