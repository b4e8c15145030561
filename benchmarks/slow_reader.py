"""Measure what a client that does not read costs the others, and one that never stops writing.

The sleeper: a writer sends updates to a room of many clients, of which one may have stopped
reading; it waits after every few updates until the server has applied them. Times end when the last
of the others has everything. Runs with and without the sleeper take turns, each has a new server,
and every figure is the median.

The flood: two people write to each other, in the room of the flood or in another one, while a
client sends changes as fast as it can, or not. A latency is the time from an edit to its arrival in
the other one's document. Here too, runs take turns; percentiles are of all of their edits together.

The server is a process of its own, so is the flood; all others share another one. The memory wire
is all in one process: its CPU time is that of the server and of all clients, and its memory says
nothing of the server. How much of what came while it slept had waited for the sleeper, in the
server, in the system, and on its own side, is seen when it wakes: all but the last message.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from os import cpu_count, getloadavg
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
from anyio import Event, create_task_group, fail_after, sleep, to_process
from anyio.abc import TaskGroup
from pycrdt import Doc, Map, MapEvent, TransactionEvent

from ycore import ClientWire, connect
from ycore.protocol import encode_update
from ycore.testing import until

# Neither the benchmarks nor the tests are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks.servers import Growth, Server, serving
from tests.load.content import Content, check_content, receive_all_of
from tests.load.peers import ROOM, Peer, join

WIRES = ["memory", "websocket", "zmq"]
TIMEOUT = 120
"""A bound for every run, in seconds."""

FLOOD, TYPED = "flood", "typed"
"""The parts of the document that the flood writes to, and that people write to."""


def main() -> None:
    """Run the benchmark."""
    options = _parse()
    print(", ".join(f"{name} {value}" for name, value in _environment().items()), "\n")
    wires = options.wires.split(",")
    if not options.no_sleeper:
        print_sleepers([anyio.run(measure_sleeper, wire, options) for wire in wires], options)
    if not options.no_flood:
        print_floods([anyio.run(measure_flood, wire, options) for wire in wires], options)


# The sleeper


@dataclass
class Delivery:
    """What it took until the readers had everything."""

    seconds: float
    cpu: float
    growth: Growth


@dataclass
class Waking:
    """What a sleeper received when it woke."""

    messages: int
    waited_bytes: int
    last_bytes: int
    growth: Growth


@dataclass
class SleeperResult:
    """The runs of one wire."""

    wire: str
    without: list[Delivery] = field(default_factory=list)
    beside: list[Delivery] = field(default_factory=list)
    waking: list[Waking] = field(default_factory=list)
    total: int = 0
    """The memory of the server in the end, in bytes."""


async def measure_sleeper(wire: str, options: argparse.Namespace) -> SleeperResult:
    """Measure one wire."""
    content = Content(options.updates, options.size)
    result = SleeperResult(wire)
    for _ in range(options.rounds):
        for with_sleeper in (False, True):
            with fail_after(TIMEOUT):
                await _deliver(result, content, options, with_sleeper=with_sleeper)
    return result


async def _deliver(
    result: SleeperResult, content: Content, options: argparse.Namespace, *, with_sleeper: bool
) -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(result.wire))

        async def enter() -> Peer:
            return await stack.enter_async_context(join(result.wire, server.options))

        writer = await enter()
        readers = [await enter() for _ in range(options.clients - 2)]
        sleepers = [await enter()] if with_sleeper else []
        delivery = await _write(server, writer, readers, content, options.together)
        (result.beside if with_sleeper else result.without).append(delivery)
        result.total = server.memory.now
        check_content(readers, content)
        for sleeper in sleepers:
            result.waking.append(await _wake(server, sleeper, content))


async def _write(
    server: Server, writer: Peer, readers: Sequence[Peer], content: Content, together: int
) -> Delivery:
    cpu = await server.cpu()
    with server.memory.growing() as growth:
        start = perf_counter()
        async with create_task_group() as tasks:
            receive_all_of(content, readers, tasks)
            await writer.write(content.updates, together=together)
        seconds = perf_counter() - start
    return Delivery(seconds, await server.cpu() - cpu, growth)


async def _wake(server: Server, sleeper: Peer, content: Content) -> Waking:
    known = len(sleeper.frames)
    with server.memory.growing() as growth:
        await sleeper.receive_until(content.last)
    check_content([sleeper], content)
    *waited, last = [len(frame) for frame in sleeper.frames[known:]]
    return Waking(1 + len(waited), sum(waited), last, growth)


# The flood


@dataclass
class FloodResult:
    """The latencies of one wire, in seconds: without the flood and beside it."""

    wire: str
    room: str
    without: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    """So many changes of the flood per second were applied by the server, in each run."""


async def measure_flood(wire: str, options: argparse.Namespace) -> list[FloodResult]:
    """Measure one wire: a pair in the room of the flood, and one in another room."""
    results = [FloodResult(wire, ROOM), FloodResult(wire, "another room")]
    for _ in range(options.rounds):
        for with_flood in (False, True):
            with fail_after(TIMEOUT):
                await _converse(results, options, with_flood=with_flood)
    return results


async def _converse(
    results: Sequence[FloodResult], options: argparse.Namespace, *, with_flood: bool
) -> None:
    wire = results[0].wire
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(wire))

        async def enter(room: str) -> ClientWire:
            return await stack.enter_async_context(connect(wire, id=room, **server.options))

        observer = await enter(ROOM)
        pairs = [Pair(await enter(result.room), await enter(result.room)) for result in results]
        tasks = await stack.enter_async_context(create_task_group())
        if with_flood:
            before = await _start_flood(tasks, wire, server.options, observer)
            start = perf_counter()
        async with create_task_group() as typing:
            for pair in pairs:
                typing.start_soon(pair.type, options.keystrokes, options.seconds)
        if with_flood:
            rate = (_flooded(observer) - before) / (perf_counter() - start)
        for result, pair in zip(results, pairs, strict=True):
            (result.beside if with_flood else result.without).extend(pair.latencies)
            if with_flood:
                result.rates.append(rate)
        tasks.cancel_scope.cancel()


class Pair:
    """Two people who write to each other; only one does it at a time."""

    def __init__(self, writer: ClientWire, reader: ClientWire) -> None:
        self.latencies: list[float] = []
        self._written = writer.doc.get(TYPED, type=Map)
        self._read = reader.doc.get(TYPED, type=Map)
        self._times: list[float] = []
        self._arrival = Event()

    async def type(self, per_second: int, seconds: float) -> None:
        """Write at a pace, then wait until all has arrived."""
        count = round(per_second * seconds)
        subscription = self._read.observe(self._on_arrival)
        start = perf_counter()
        for number in range(count):
            await sleep(max(0.0, start + number / per_second - perf_counter()))
            self._times.append(perf_counter())
            self._written["number"] = number
        while len(self.latencies) < count:
            self._arrival = Event()
            await self._arrival.wait()
        self._read.unobserve(subscription)

    def _on_arrival(self, event: MapEvent) -> None:
        now = perf_counter()
        # What came together arrived together.
        # pycrdt's stubs leave this attribute out.
        last = round(event.keys["number"]["newValue"])  # type: ignore[attr-defined]
        self.latencies += [now - self._times[n] for n in range(len(self.latencies), last + 1)]
        self._arrival.set()


def _flooded(client: ClientWire) -> int:
    number: str = client.doc.get(FLOOD, type=Map).get("number", "0")
    return int(number)


async def _start_flood(
    tasks: TaskGroup, wire: str, address: dict[str, Any], observer: ClientWire
) -> int:
    """Start a flood and wait for its first wave; return how many changes have come."""
    if wire == "memory":
        tasks.start_soon(flood, wire, address)
    else:
        tasks.start_soon(_flood_from_another_process, wire, address)
    await until(observer.doc, lambda: _flooded(observer), timeout=TIMEOUT)
    return _flooded(observer)


async def _flood_from_another_process(wire: str, address: dict[str, Any]) -> None:
    await to_process.run_sync(run_flood, wire, address, cancellable=True)


def run_flood(wire: str, address: dict[str, Any]) -> None:
    """Flood a room from this process."""
    anyio.run(flood, wire, address)


async def flood(wire: str, address: dict[str, Any]) -> None:
    """Send changes of 1 KB as fast as the wire takes them, until cancelled."""
    update = b""

    def take(event: TransactionEvent) -> None:
        nonlocal update
        update = event.update

    doc: Doc[Any] = Doc()
    subscription = doc.observe(take)
    values = doc.get(FLOOD, type=Map)
    async with join(wire, address) as peer, create_task_group() as tasks:
        tasks.start_soon(peer.read_on)
        number = 0
        while True:
            number += 1
            values["number"] = f"{number:<1000}"
            await peer.send_at_once(encode_update(update))
    doc.unobserve(subscription)


# The report


def print_sleepers(results: Sequence[SleeperResult], options: argparse.Namespace) -> None:
    """Print what the sleeper cost."""
    print(
        f"One sleeper among {options.clients} clients, {options.updates} updates of"
        f" {options.size} bytes, medians of {options.rounds} runs.\n"
    )
    _print_table(
        (
            "wire",
            "time: ratio",
            "without, s",
            "beside, s",
            "CPU: ratio",
            "without, s",
            "beside, s",
            "memory: MB more",
            "without: MB grown",
            "beside: MB grown",
            "total, MB",
            "sleeper: messages",
            "KB waited",
            "KB in the last one",
            "MB grown to wake it",
        ),
        [_sleeper_row(result) for result in results],
    )
    print()


def _sleeper_row(result: SleeperResult) -> list[str]:
    without, beside, waking = result.without, result.beside, result.waking
    seconds = [statistics.median(run.seconds for run in runs) for runs in (without, beside)]
    cpu = [statistics.median(run.cpu for run in runs) for runs in (without, beside)]
    grown = [statistics.median(run.growth.peak for run in runs) for runs in (without, beside)]
    memory = [
        f"{(grown[1] - grown[0]) / 1e6:.1f}",
        *(f"{each / 1e6:.1f}" for each in grown),
        f"{result.total / 1e6:.0f}",
    ]
    woken = f"{statistics.median(each.growth.peak for each in waking) / 1e6:.1f}"
    is_one_process = result.wire == "memory"
    return [
        result.wire,
        f"{seconds[1] / seconds[0]:.2f}",
        *(f"{each:.2f}" for each in seconds),
        f"{cpu[1] / cpu[0]:.2f}",
        *(f"{each:.2f}" for each in cpu),
        *(["-"] * len(memory) if is_one_process else memory),
        f"{statistics.median(each.messages for each in waking):.0f}",
        f"{statistics.median(each.waited_bytes for each in waking) / 1e3:.0f}",
        f"{statistics.median(each.last_bytes for each in waking) / 1e3:.0f}",
        "-" if is_one_process else woken,
    ]


def print_floods(results: Sequence[list[FloodResult]], options: argparse.Namespace) -> None:
    """Print what the flood did to the latency of others."""
    print(
        f"Two pairs that type {options.keystrokes} times a second, without a flood and beside it;"
        f" latencies in ms, {options.rounds} runs of {options.seconds:g} s.\n"
    )
    _print_table(
        (
            "wire",
            "pair in",
            "p50: ratio",
            "without",
            "beside",
            "p95: ratio",
            "without",
            "beside",
            "p99: ratio",
            "without",
            "beside",
            "changes of the flood per s",
        ),
        [_flood_row(result) for pair in results for result in pair],
    )


def _flood_row(result: FloodResult) -> list[str]:
    row = [result.wire, "its room" if result.room == ROOM else result.room]
    without, beside = (
        statistics.quantiles(runs, n=100) for runs in (result.without, result.beside)
    )
    for percentile in (50, 95, 99):
        before, during = without[percentile - 1], beside[percentile - 1]
        row += [f"{during / before:.1f}", f"{before * 1e3:.2f}", f"{during * 1e3:.2f}"]
    return [*row, f"{statistics.median(result.rates):.0f}"]


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |")


def _environment() -> dict[str, str]:
    packages = ["ycore", "pycrdt", "anyio", "aiohttp", "pyzmq"]
    return {
        "python": platform.python_version(),
        "cores": str(cpu_count()),
        "load before": f"{getloadavg()[0]:.1f}",
        **{package: version(package) for package in packages},
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--wires", default=",".join(WIRES), help="which, with commas between (all three)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="runs of each kind (3)")
    parser.add_argument("--no-sleeper", action="store_true", help="leave out the sleeper")
    parser.add_argument("--no-flood", action="store_true", help="leave out the flood")
    sleeper = parser.add_argument_group("the sleeper")
    sleeper.add_argument(
        "--clients", type=int, default=50, help="with the writer and the sleeper (50)"
    )
    sleeper.add_argument("--updates", type=int, default=5_000, help="how many (5000)")
    sleeper.add_argument("--size", type=int, default=1_000, help="of each, in bytes (1000)")
    sleeper.add_argument(
        "--together",
        type=int,
        default=10,
        help="the writer waits for the server after so many updates (10)",
    )
    flood = parser.add_argument_group("the flood")
    flood.add_argument("--seconds", type=float, default=5.0, help="of each run (5)")
    flood.add_argument("--keystrokes", type=int, default=50, help="per second, of each pair (50)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
