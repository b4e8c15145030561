"""Kill a server under many clients, start it again, and measure how long they need to return.

The server is `ycore serve` in a process of its own; the clients are spread over a few more. All
share a text; when the server is back it has forgotten it, and they bring it along. Meanwhile new
clients come one after the other, as somebody would who opens a page.

Times count from the moment when the server serves again. A client waits a random time before each
attempt, at most 0.1 s at first, then twice as long each time up to 5 s: the longer the server was
away, the later its clients return.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import platform
import resource
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE
from time import monotonic
from typing import Any

import anyio
from anyio import (
    CapacityLimiter,
    IncompleteRead,
    create_task_group,
    fail_after,
    open_process,
    sleep,
    sleep_forever,
)
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from pycrdt import Text

from ycore import ClientWire, Status, StatusChanges, connect

# Neither the benchmarks nor the examples are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from examples.replay.watching import wait_until

WIRES = ["websocket", "zmq"]

HOST = "127.0.0.1"

LINE_SIZE = 1_000_000
"""The longest line that a process tells: the times of its clients."""

AT_A_TIME = 20
"""So many clients of a process connect together, before it all begins."""

PAUSE = 0.01
"""Between two new clients, in seconds."""


@dataclass
class Result:
    """How a wire's clients returned; all in seconds."""

    wire: str
    outage: float
    """From the kill until the server served again."""
    returned: list[float]
    """How long after that each client was in sync again."""
    new: list[float]
    """How long it took to enter, for each new client that came before all had returned."""
    server_cpu: float
    """What the server's process used in that time."""
    crowd_cpu: list[float]
    """What each process of clients used."""


def main() -> int:
    """Run the benchmark and return its exit code."""
    options = _parse()
    if options.crowd is not None:
        anyio.run(Crowd(**json.loads(options.crowd)).run)
        return 0
    # The processes that are started inherit it.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = [anyio.run(measure, wire, options) for wire in options.wires.split(",")]
    (print_json if options.json else print_table)(results, options)
    return 0


# One wire


async def measure(wire: str, options: argparse.Namespace) -> Result:
    """Measure one wire.

    Raises:
        TimeoutError: It took too long.
    """
    with fail_after(options.timeout):
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(serving(wire, 0))
            port = await port_of(server)
            crowds = [
                await stack.enter_async_context(crowding(wire, port, numbers, options))
                for numbers in spread(options.clients, options.processes)
            ]
            await all_say("in", crowds)
            killed = monotonic()
            await server.kill()
            await all_say("lost", crowds)
            await sleep(options.outage)
            server = await stack.enter_async_context(serving(wire, port))
            await port_of(server)
            served = monotonic()
            cpu = [program.cpu() for program in (server, *crowds)]
            returned, new = await watch_return(wire, port, crowds)
            cpu = [
                program.cpu() - before
                for program, before in zip((server, *crowds), cpu, strict=True)
            ]
    return Result(
        wire=wire,
        outage=served - killed,
        returned=sorted(time - served for time in returned),
        new=sorted(new),
        server_cpu=cpu[0],
        crowd_cpu=cpu[1:],
    )


async def watch_return(
    wire: str, port: int, crowds: Sequence[Program]
) -> tuple[list[float], list[float]]:
    """Return when each client was back, and how long each new one took to enter meanwhile."""
    returned: list[float] = []
    new: list[float] = []

    async def visit() -> None:
        while True:
            start = monotonic()
            async with connect(wire, id=room_of(0, 1), host=HOST, port=port):
                new.append(monotonic() - start)
            await sleep(PAUSE)

    async with create_task_group() as tasks:
        tasks.start_soon(visit)
        for crowd in crowds:
            returned += json.loads(await crowd.hear())
        tasks.cancel_scope.cancel()
    return returned, new


def spread(clients: int, processes: int) -> list[range]:
    """Return the numbers of the clients of each process."""
    bounds = [clients * part // processes for part in range(processes + 1)]
    return [range(*pair) for pair in pairwise(bounds)]


def room_of(client: int, rooms: int) -> str:
    """Return the id of a client's room."""
    return f"room-{client % rooms}"


# Processes


class Program:
    """A process that tells lines."""

    def __init__(self, process: Process) -> None:
        assert process.stdout is not None
        self._process = process
        self._output = BufferedByteReceiveStream(process.stdout)

    async def hear(self) -> str:
        """Wait for the next line.

        Raises:
            RuntimeError: There will be none; the process has told why.
        """
        try:
            return (await self._output.receive_until(b"\n", LINE_SIZE)).decode()
        except IncompleteRead as exc:
            raise RuntimeError("a process of the benchmark has ended: see above") from exc

    async def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        await self._process.wait()

    def cpu(self) -> float:
        """Return what it has used until now, in seconds; not a number where Linux does not tell."""
        try:
            stat = Path(f"/proc/{self._process.pid}/stat").read_text()
        except FileNotFoundError:
            return math.nan
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Program]:
    """Run a Python program for the duration of the block."""
    async with await open_process([sys.executable, *arguments], stdin=PIPE, stderr=None) as process:
        try:
            yield Program(process)
        finally:
            with suppress(ProcessLookupError):
                process.kill()


@asynccontextmanager
async def serving(wire: str, port: int) -> AsyncIterator[Program]:
    """Run a server."""
    async with running("-m", "ycore", "serve", "-qq", f"{wire}://{HOST}:{port}") as program:
        yield program


async def port_of(server: Program) -> int:
    """Wait until a server serves, and return its port."""
    return int((await server.hear()).strip().rstrip("/").rpartition(":")[2])


@asynccontextmanager
async def crowding(
    wire: str, port: int, numbers: range, options: argparse.Namespace
) -> AsyncIterator[Program]:
    """Run clients."""
    crowd = {
        "wire": wire,
        "port": port,
        "first": numbers.start,
        "count": len(numbers),
        "rooms": options.rooms,
        "size": options.size,
        "presence": options.presence,
    }
    async with running(__file__, "--crowd", json.dumps(crowd)) as program:
        yield program


async def all_say(word: str, crowds: Sequence[Program]) -> None:
    """Wait until processes of clients have said something."""
    for crowd in crowds:
        said = await crowd.hear()
        assert said.strip() == word, said


@dataclass
class Crowd:
    """Clients in this process, which tells by a line that all are in, lost, and back when."""

    wire: str
    port: int
    first: int
    count: int
    rooms: int
    size: int
    presence: bool

    async def run(self) -> None:
        """Run the clients until the process is killed."""
        logging.getLogger("ycore").setLevel(logging.ERROR)
        self._connecting = CapacityLimiter(AT_A_TIME)
        self._in = self._lost = 0
        self._returned: list[float] = []
        async with create_task_group() as tasks:
            for number in range(self.first, self.first + self.count):
                tasks.start_soon(self._stay, number)

    async def _stay(self, number: int) -> None:
        client = connect(self.wire, id=room_of(number, self.rooms), host=HOST, port=self.port)
        if self.presence:
            client.awareness.set_local_state({"name": f"client {number}"})
        async with AsyncExitStack() as stack:
            async with self._connecting:
                await stack.enter_async_context(client)
            changes = stack.enter_context(client.status_changes())
            await self._share_text(client, number)
            await self._watch(changes)
            await sleep_forever()

    async def _share_text(self, client: ClientWire, number: int) -> None:
        text = client.doc.get("text", type=Text)
        if number < self.rooms:
            text += "x" * self.size
        await wait_until(client.doc, lambda: len(text) == self.size)

    async def _watch(self, changes: StatusChanges) -> None:
        self._in += 1
        self._say_when(self._in, "in")
        await _reach(changes, Status.DISCONNECTED)
        self._lost += 1
        self._say_when(self._lost, "lost")
        await _reach(changes, Status.CONNECTED)
        self._returned.append(monotonic())
        self._say_when(len(self._returned), json.dumps(self._returned))

    def _say_when(self, count: int, line: str) -> None:
        if count == self.count:
            print(line, flush=True)


async def _reach(changes: StatusChanges, wanted: Status) -> None:
    async for status in changes:
        if status is wanted:
            return
    raise RuntimeError("a client has ended")


# The report


def print_json(results: Sequence[Result], options: argparse.Namespace) -> None:
    """Print all figures for a program."""
    content = {
        "environment": _environment(),
        **{name: getattr(options, name) for name in ("clients", "processes", "rooms", "size")},
        "presence": options.presence,
        "wires": [asdict(result) for result in results],
    }
    print(json.dumps(content, indent=2))


def print_table(results: Sequence[Result], options: argparse.Namespace) -> None:
    """Print the figures for a person, as Markdown."""
    print(", ".join(f"{name} {value}" for name, value in _environment().items()))
    print(
        f"clients: {options.clients}, in processes: {options.processes}, in rooms: {options.rooms},"
        f" text: {options.size} characters, presence: {'yes' if options.presence else 'no'}\n"
    )
    head = [
        *("wire", "outage s", "back: p50 s", "p95 s", "max s"),
        *("new: p50 ms", "p95 ms", "max ms", "of"),
        *("server CPU s", "busiest crowd CPU s"),
    ]
    rows = [
        [
            result.wire,
            f"{result.outage:.2f}",
            *(f"{percentile(result.returned, share):.2f}" for share in (0.5, 0.95, 1)),
            *(f"{1000 * percentile(result.new, share):.0f}" for share in (0.5, 0.95, 1)),
            str(len(result.new)),
            f"{result.server_cpu:.2f}",
            f"{max(result.crowd_cpu):.2f}",
        ]
        for result in results
    ]
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |")


def percentile(times: Sequence[float], share: float) -> float:
    """Return the time that a share of some sorted ones does not exceed."""
    return times[math.ceil(share * len(times)) - 1] if times else math.nan


def _environment() -> dict[str, Any]:
    packages = ["ycore", "pycrdt", "anyio", "aiohttp", "pyzmq"]
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        **{package: version(package) for package in packages},
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--wires", default=",".join(WIRES), help="which, with commas between (%(default)s)"
    )
    parser.add_argument(
        "--clients", type=positive_number, default=1000, help="how many return (%(default)s)"
    )
    parser.add_argument(
        "--processes", type=positive_number, default=4, help="what they share (%(default)s)"
    )
    parser.add_argument(
        "--rooms", type=positive_number, default=1, help="what they are spread over (%(default)s)"
    )
    parser.add_argument(
        "--size",
        type=positive_number,
        default=10_000,
        help="characters of each room's text (%(default)s)",
    )
    parser.add_argument(
        "--presence",
        action="store_true",
        help="they show who they are, each to all others of its room: give them several rooms",
    )
    parser.add_argument(
        "--outage",
        type=float,
        default=0.0,
        help="how long to wait before the server is started again, in seconds (%(default)s)",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=120.0,
        help="bound for each wire, in seconds (%(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--crowd", help=argparse.SUPPRESS)
    return parser.parse_args()


def positive_number(argument: str) -> int:
    number = int(argument)
    if number < 1:
        raise ValueError(argument)
    return number


if __name__ == "__main__":
    sys.exit(main())
