"""A server's process is told to end: by SIGTERM, or by Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals

import pytest
from anyio import Event, create_task_group, fail_after, sleep, sleep_forever
from anyio.abc import TaskStatus

from tests.life.guest import PATIENCE, keys_of, write
from tests.life.mute import mute
from tests.life.processes import Program, Remote, running
from tests.life.wires import ROOM, Wire
from ycore import ClientWire, ConnectError
from ycore.testing import until

MUCH, LARGE = 160, "x" * 200_000
"""So many values of this size are more than any transport takes for somebody who does not read."""

FOR_EVER = 3600.0

SHORT, SOON = 0.2, 4.0
"""A `close_timeout`, and what ends by it on a busy machine, but not by the default of 5 s."""

PACE = 0.01
"""How long who writes all the time waits each time, in seconds."""


@pytest.fixture
def anyio_backend() -> str:
    """For the clients; the servers say on what they run."""
    return "asyncio"


@dataclass(frozen=True)
class Server:
    """What serves which wires."""

    name: str
    wires: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    def command(self, close_timeout: float, port: int = 0) -> list[str]:
        urls = (f"{wire}://127.0.0.1:{port}?close_timeout={close_timeout}" for wire in self.wires)
        return ["-m", "ycore", "serve", *urls]


@dataclass(frozen=True)
class OwnServer(Server):
    """A program of one's own."""

    backend: str

    def command(self, close_timeout: float, port: int = 0) -> list[str]:
        program = str(Path(__file__).with_name("program.py"))
        return [program, *self.wires, self.backend, f"--close-timeout={close_timeout}"]


COMMAND = Server("ycore-serve", ("zmq", "websocket"))
WEBSOCKET, ZMQ, ZMQ_ON_TRIO = PROGRAMS = [
    OwnServer(f"program-{wire}-{backend}", (wire,), backend)
    for wire, backend in (("websocket", "asyncio"), ("zmq", "asyncio"), ("zmq", "trio"))
]


def servers(*servers: Server) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("server", servers, ids=str)


def signals(*numbers: Signals) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("number", numbers, ids=lambda number: number.name)


def client_of(wire: str, server: Remote, id: str = ROOM) -> ClientWire:  # noqa: A002
    """Make a client that does not come back."""
    return Wire(wire, "asyncio").client(server, id, reconnect=False)


async def stay_until_told(
    wire: str, server: Remote, room: str, *, task_status: TaskStatus[None]
) -> None:
    """Be a client that has written something, until the server says that it goes."""
    with pytest.raises(ConnectError, match="closed the connection: 1001"):
        async with client_of(wire, server, room) as client:
            write(client.doc, wire)
            await client.flush()
            task_status.started()
            await sleep_forever()


async def end(program: Program, number: Signals) -> None:
    """Tell a program to end; return when those who read are told that it does."""
    with fail_after(PATIENCE):
        async with create_task_group() as tasks:
            for wire, server in program.servers.items():
                await tasks.start(stay_until_told, wire, server, f"{wire}s")
            program.send(number)


async def fill(program: Program) -> set[str]:
    """Have more written into the room than anybody takes who does not read."""
    wire, server = next(iter(program.servers.items()))
    async with client_of(wire, server) as writer:
        for number in range(MUCH):
            write(writer.doc, str(number), LARGE)
        await writer.flush()
        return keys_of(writer.doc)


@contextmanager
def mutes(program: Program) -> Iterator[None]:
    """Have somebody on each wire who does not read the room."""
    with ExitStack() as stack:
        for wire, server in program.servers.items():
            stack.enter_context(mute(wire, server.port, ROOM))
        yield


@signals(SIGTERM, SIGINT)
@servers(COMMAND, *PROGRAMS)
async def test_it_ends_in_good_order(server: Server, number: Signals) -> None:
    async with running(server.command(PATIENCE), server.wires) as program:
        await end(program, number)
        assert await program.end() == 0
        saved = [] if server is COMMAND else [f"saved: {wire}\n" for wire in server.wires]
        assert await program.output() == "".join(saved)
        assert "Traceback" not in program.errors()


@servers(COMMAND, ZMQ_ON_TRIO)
async def test_who_is_behind_gets_everything_that_was_applied(server: Server) -> None:
    async with running(server.command(FOR_EVER), server.wires) as program:
        async with AsyncExitStack() as stack:
            guests = [
                await stack.enter_async_context(Wire(wire, "asyncio").guest(remote))
                for wire, remote in program.servers.items()
            ]
            keys = await fill(program)
            await end(program, SIGTERM)
            for guest in guests:
                await guest.read_to_the_end()
                assert keys_of(guest.doc) == keys
                assert guest.close_code == 1001
        assert await program.end() == 0


@servers(COMMAND, ZMQ_ON_TRIO)
async def test_who_does_not_read_does_not_hold_it_up(server: Server) -> None:
    async with running(server.command(SHORT), server.wires) as program:
        await fill(program)
        with mutes(program):
            await end(program, SIGTERM)
            with fail_after(SOON):
                assert await program.end() == 0


@servers(COMMAND, ZMQ_ON_TRIO)
async def test_nobody_gets_in_while_it_ends(server: Server) -> None:
    async with running(server.command(FOR_EVER), server.wires) as program:
        await fill(program)
        with mutes(program):
            await end(program, SIGTERM)
            for wire, remote in program.servers.items():
                with pytest.raises(ConnectError):
                    async with client_of(wire, remote):
                        raise AssertionError("connected")
        assert await program.end() == 0


@signals(SIGTERM, SIGINT)
async def test_a_second_signal_does_not_wait(number: Signals) -> None:
    async with running(COMMAND.command(FOR_EVER), COMMAND.wires) as program:
        await fill(program)
        with mutes(program):
            await end(program, number)
            program.send(number)
            assert await program.end() == 0


@servers(WEBSOCKET, ZMQ)
async def test_ctrl_c_ends_a_program_that_is_not_prepared_for_it(server: Server) -> None:
    """On asyncio, which cancels the block of the server; on trio it may hit any task."""
    command = [*server.command(PATIENCE), "--unprepared"]
    async with running(command, server.wires) as program:
        await end(program, SIGINT)
        assert await program.end() == -SIGINT
        assert await program.output() == "".join(f"saved: {wire}\n" for wire in server.wires)
        assert program.errors().endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize("wire", ["websocket", "zmq"])
async def test_what_is_being_written_survives_a_restart(wire: str) -> None:
    """What is written before the signal, while nobody serves, and afterwards."""
    server = Server("ycore-serve", (wire,))
    written, enough = {"ann": 0, "bob": 0}, Event()

    async def write_on(client: ClientWire, name: str) -> None:
        while not enough.is_set():
            write(client.doc, f"{name} {written[name]}")
            written[name] += 1
            await sleep(PACE)

    async def until_read(client: ClientWire, key: str) -> None:
        await until(client.doc, lambda: key in keys_of(client.doc), timeout=PATIENCE)

    async with running(server.command(PATIENCE), server.wires) as first:
        remote = first.servers[wire]
        async with (
            Wire(wire, "asyncio").client(remote) as ann,
            Wire(wire, "asyncio").client(remote) as bob,
            create_task_group() as tasks,
        ):
            tasks.start_soon(write_on, ann, "ann")
            tasks.start_soon(write_on, bob, "bob")
            await until_read(ann, "bob 9")
            first.send(SIGTERM)
            assert await first.end() == 0
            async with running(server.command(PATIENCE, remote.port), server.wires):
                await until_read(ann, f"bob {written['bob'] + 9}")
                await until_read(bob, f"ann {written['ann'] + 9}")
                enough.set()
                for client in (ann, bob):
                    for name, count in written.items():
                        await until_read(client, f"{name} {count - 1}")
                    assert len(keys_of(client.doc)) == sum(written.values())
                    await client.flush()
