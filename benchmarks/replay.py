"""Replay what somebody typed over each wire, from one writer to some readers, and measure it.

An update is one transaction of the trace; a delivery is one update that reached one reader, however
many updates shared a message. The floor is what pycrdt alone needs for the same trace, measured in
the same run. The server is a process of its own, the writer and the readers share another. The
memory wire is all in one process: its CPU time is that of the server and of every client.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import anyio
from anyio import fail_after
from pycrdt import Doc, Text, TransactionEvent

from ycore import ClientWire, connect

# Neither the benchmarks nor the examples are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks.servers import Server, serving
from examples.replay.traces import TEXT, Editor, Trace, read_trace
from examples.replay.watching import wait_until
from examples.replay.writing import Pace, writers_of

WIRES = ["memory", "websocket", "zmq"]
ROOM = "replay"
BATCH = 100

ROUNDS = 3
"""The floor is the median of so many."""


@dataclass
class Floor:
    """What pycrdt alone needs for the whole trace, in seconds."""

    write: float
    apply_one_by_one: float
    apply_in_batches: float


@dataclass
class Result:
    """What a wire needed for the whole trace."""

    wire: str
    seconds: float
    """Until the last reader had it all."""
    cpu_seconds: float
    cpu_of: str
    """Of which processes: "server", or "all" where there is one process."""
    turns_per_reader: float
    """In how many turns of its event loop a reader applied it all, on average."""
    updates_per_second: float
    deliveries_per_second: float
    cpu_us_per_delivery: float
    time_to_floor: float
    """The time, divided by that of writing without a wire."""
    cpu_to_floor: float
    """The CPU time, divided by that of applying every update once, one by one."""


def main() -> int:
    """Run the benchmark and return its exit code."""
    options = _parse()
    try:
        trace = read_trace(options.trace).first(options.limit)
    except (FileNotFoundError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 2
    floor = measure_floor(trace)
    results = [anyio.run(measure, wire, trace, floor, options) for wire in options.wires.split(",")]
    (print_json if options.json else print_tables)(trace, floor, results, options)
    return 0


# The floor


def measure_floor(trace: Trace) -> Floor:
    """Measure what pycrdt alone needs."""
    updates = updates_of(trace)
    return Floor(
        write=median(lambda: write_alone(trace)),
        apply_one_by_one=median(lambda: apply(updates, 1)),
        apply_in_batches=median(lambda: apply(updates, BATCH)),
    )


def median(measure_once: Callable[[], float]) -> float:
    """Measure some times and return the middle one."""
    return statistics.median(measure_once() for _ in range(ROUNDS))


def write_alone(trace: Trace) -> float:
    """Type the trace into a document that nobody shares; return the seconds."""
    editor = Editor(Doc(), is_ascii=trace.is_ascii)
    start = perf_counter()
    for transaction in trace.transactions:
        editor.apply(transaction.patches)
    return perf_counter() - start


def updates_of(trace: Trace) -> list[bytes]:
    """Return the update of each transaction."""
    doc: Doc[Any] = Doc()
    updates: list[bytes] = []

    def take(event: TransactionEvent) -> None:
        updates.append(event.update)

    subscription = doc.observe(take)
    editor = Editor(doc, is_ascii=trace.is_ascii)
    for transaction in trace.transactions:
        editor.apply(transaction.patches)
    doc.unobserve(subscription)
    return updates


def apply(updates: Sequence[bytes], batch: int) -> float:
    """Apply updates, so many in one transaction; return the seconds."""
    doc: Doc[Any] = Doc()
    start = perf_counter()
    rest = iter(updates)
    while some := list(islice(rest, batch)):
        with doc.transaction():
            for update in some:
                doc.apply_update(update)
    return perf_counter() - start


# The wires


async def measure(wire: str, trace: Trace, floor: Floor, options: argparse.Namespace) -> Result:
    """Measure one wire.

    Raises:
        TimeoutError: It took too long.
        RuntimeError: A reader's document is not what it should be.
    """
    (write,) = writers_of(trace)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(wire))
        writer = await _join(stack, wire, server)
        readers = [await _join(stack, wire, server) for _ in range(options.readers)]
        turns = _TurnCounter(readers)
        with fail_after(options.timeout), turns:
            cpu = await server.cpu()
            start = perf_counter()
            await write(writer.doc, Pace(every=options.every))
            for reader in readers:
                await _wait_for_end(reader, trace)
            seconds = perf_counter() - start
            cpu = await server.cpu() - cpu
        _check(readers, trace)
    updates = len(trace.transactions)
    deliveries = updates * len(readers)
    return Result(
        wire=wire,
        seconds=seconds,
        cpu_seconds=cpu,
        cpu_of="all" if wire == "memory" else "server",
        turns_per_reader=turns.count / len(readers),
        updates_per_second=updates / seconds,
        deliveries_per_second=deliveries / seconds,
        cpu_us_per_delivery=cpu / deliveries * 1e6,
        time_to_floor=seconds / floor.write,
        cpu_to_floor=cpu / floor.apply_one_by_one,
    )


async def _join(stack: AsyncExitStack, wire: str, server: Server) -> ClientWire:
    return await stack.enter_async_context(connect(wire, id=ROOM, **server.options))


async def _wait_for_end(reader: ClientWire, trace: Trace) -> None:
    text = reader.doc.get(TEXT, type=Text)
    await wait_until(reader.doc, lambda: str(text) == trace.end_content)


def _check(readers: Sequence[ClientWire], trace: Trace) -> None:
    for reader in readers:
        if str(reader.doc.get(TEXT, type=Text)) != trace.end_content:
            raise RuntimeError("a reader has something else than was written")


class _TurnCounter:
    """Counts the changes of documents: a client applies what came in one turn at once."""

    def __init__(self, clients: Sequence[ClientWire]) -> None:
        self.count = 0
        self._docs = [client.doc for client in clients]

    def __enter__(self) -> None:
        self._subscriptions = [doc.observe(self._on_change) for doc in self._docs]

    def __exit__(self, *exc_info: object) -> None:
        for doc, subscription in zip(self._docs, self._subscriptions, strict=True):
            doc.unobserve(subscription)

    def _on_change(self, event: TransactionEvent) -> None:
        self.count += 1


# The report


def print_json(
    trace: Trace, floor: Floor, results: Sequence[Result], options: argparse.Namespace
) -> None:
    """Print all figures for a program."""
    content = {
        "environment": _environment(),
        "trace": trace.name,
        "updates": len(trace.transactions),
        "readers": options.readers,
        "updates_per_turn": options.every,
        "floor": asdict(floor),
        "wires": [asdict(result) for result in results],
    }
    print(json.dumps(content, indent=2))


def print_tables(
    trace: Trace, floor: Floor, results: Sequence[Result], options: argparse.Namespace
) -> None:
    """Print the figures for a person, as Markdown."""
    print(", ".join(f"{name} {value}" for name, value in _environment().items()))
    print(
        f"{trace.name}: {len(trace.transactions)} updates, readers: {options.readers},"
        f" updates per turn of the writer: {options.every}\n"
    )
    count = len(trace.transactions)
    _print_table(
        ("pycrdt alone", "s", "µs per update", "÷ one by one"),
        [
            (name, f"{s:.3f}", f"{s / count * 1e6:.1f}", f"{s / floor.apply_one_by_one:.2f}")
            for name, s in [
                ("write", floor.write),
                ("apply one by one", floor.apply_one_by_one),
                (f"apply in batches of {BATCH}", floor.apply_in_batches),
            ]
        ],
    )
    print()
    _print_table(
        (
            "wire",
            "s",
            "updates/s",
            "deliveries/s",
            "turns per reader",
            "CPU of",
            "CPU µs per delivery",
            "s ÷ write",
            "CPU ÷ one by one",
        ),
        [
            (
                result.wire,
                f"{result.seconds:.2f}",
                f"{result.updates_per_second:.0f}",
                f"{result.deliveries_per_second:.0f}",
                f"{result.turns_per_reader:.0f}",
                result.cpu_of,
                f"{result.cpu_us_per_delivery:.1f}",
                f"{result.time_to_floor:.1f}",
                f"{result.cpu_to_floor:.1f}",
            )
            for result in results
        ],
    )
    if any(result.cpu_of == "all" for result in results):
        print("\nCPU of all: there is one process, with the server, the writer and the readers.")


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(head, *rows, strict=True)]
    for row in [head, ["-" * width for width in widths], *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |")


def _environment() -> dict[str, str]:
    packages = ["ycore", "pycrdt", "anyio", "aiohttp", "pyzmq"]
    return {
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        **{package: version(package) for package in packages},
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--wires", default=",".join(WIRES), help="which, with commas between (all three)"
    )
    parser.add_argument(
        "--trace",
        default="sveltecomponent",
        help="a trace of one writer: a file, or the name of one in ../shared/data"
        " (sveltecomponent)",
    )
    parser.add_argument(
        "--readers", type=positive_number, default=9, help="how many clients read (9)"
    )
    parser.add_argument(
        "--every",
        type=positive_number,
        default=1,
        help="the writer lets others run after so many updates; they go as one message (1)",
    )
    parser.add_argument("--limit", type=positive_number, help="only the first so many updates")
    parser.add_argument(
        "--timeout", type=float, default=120.0, help="bound for each wire, in seconds (120)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return parser.parse_args()


def positive_number(argument: str) -> int:
    number = int(argument)
    if number < 1:
        raise ValueError(argument)
    return number


if __name__ == "__main__":
    sys.exit(main())
