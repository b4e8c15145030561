"""Measure what our own client costs: reading a flood, writing one, and typing a long text.

The server is a process of its own. CPU is that of this process, which is the client's; the floor is
pycrdt alone, in the same run. Whoever reads has somebody write beside it in a third process.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import anyio
from anyio import Event, fail_after
from anyio.lowlevel import checkpoint
from pycrdt import Doc, Text

# Neither the benchmarks nor the examples are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks.servers import Server, serving
from ycore import connect

PATIENCE = 120.0
LETTERS = "the quick brown fox jumps over the lazy dog "


@dataclass
class Cost:
    """What it took, in seconds."""

    seconds: float
    cpu: float


class Meter:
    """Measures from when it is made."""

    def __init__(self) -> None:
        self._start, self._cpu = perf_counter(), process_time()

    def cost(self) -> Cost:
        """Return what it has taken until now."""
        return Cost(perf_counter() - self._start, process_time() - self._cpu)


async def write(server: Server, wire: str, count: int) -> Cost:
    """Type at the end of a text, each character in a turn of its own, until all has arrived."""
    async with connect(wire, **server.options) as client:
        text = client.doc.get("text", type=Text)
        meter = Meter()
        for number in range(count):
            text += LETTERS[number % len(LETTERS)]
            await checkpoint()
        await client.flush()
        return meter.cost()


async def read(server: Server, wire: str, count: int) -> Cost:
    """Receive what somebody else types so."""
    async with connect(wire, **server.options) as client:
        text = client.doc.get("text", type=Text)
        complete, length = Event(), 0

        def look(event: Any) -> None:
            nonlocal length
            length += sum(len(part.get("insert", "")) for part in event.delta)
            if length == count:
                complete.set()

        subscription = text.observe(look)
        port = str(server.options["port"])
        command = [sys.executable, __file__, "--write", wire, port, str(count)]
        meter = Meter()
        async with await anyio.open_process(command, stdout=None, stderr=None):
            await complete.wait()
            cost = meter.cost()
        text.unobserve(subscription)
        return cost


async def floor_of_writing(count: int) -> Cost:
    """Type the same in a document that nobody shares."""
    doc = Doc[Any]()
    text = doc.get("text", type=Text)
    meter = Meter()
    for number in range(count):
        text += LETTERS[number % len(LETTERS)]
        await checkpoint()
    return meter.cost()


async def floor_of_reading(count: int) -> Cost:
    """Apply the same updates one by one."""
    writer, reader = Doc[Any](), Doc[Any]()
    updates: list[bytes] = []
    subscription = writer.observe(lambda event: updates.append(event.update))
    text = writer.get("text", type=Text)
    for number in range(count):
        text += LETTERS[number % len(LETTERS)]
    writer.unobserve(subscription)
    meter = Meter()
    for update in updates:
        reader.apply_update(update)
    return meter.cost()


async def _run(measure: Callable[[Server, str, int], Awaitable[Cost]], wire: str, n: int) -> Cost:
    with fail_after(PATIENCE):
        async with serving(wire) as server:
            return await measure(server, wire, n)


def main() -> None:
    """Run the benchmark."""
    options = _parse()
    if options.write:
        wire, port, count = options.write
        anyio.run(_write_there, wire, int(port), int(count))
        return
    print("| what | updates/s | CPU µs / update | of pycrdt's |\n| --- | --- | --- | --- |")
    for name, count, measure, floor in (
        ("read a flood", options.updates, read, floor_of_reading),
        ("write a flood", options.updates, write, floor_of_writing),
        ("type a long text", options.length, write, floor_of_writing),
    ):
        alone = [anyio.run(floor, count) for _ in range(options.rounds)]
        base = median(cost.cpu for cost in alone)
        _tell(f"{name}, pycrdt alone", count, alone, base)
        for wire in ("websocket", "zmq"):
            costs = [anyio.run(_run, measure, wire, count) for _ in range(options.rounds)]
            _tell(f"{name}, {wire}", count, costs, base)


async def _write_there(wire: str, port: int, count: int) -> None:
    async with connect(wire, host="127.0.0.1", port=port) as client:
        text = client.doc.get("text", type=Text)
        for number in range(count):
            text += LETTERS[number % len(LETTERS)]
            await checkpoint()


def _tell(name: str, count: int, costs: list[Cost], base: float) -> None:
    seconds, cpu = median(cost.seconds for cost in costs), median(cost.cpu for cost in costs)
    print(f"| {name} | {count / seconds:,.0f} | {1e6 * cpu / count:.1f} | {cpu / base:.2f} |")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--updates", type=int, default=20_000, help="in a flood (%(default)s)")
    add("--length", type=int, default=100_000, help="of the long text (%(default)s)")
    add("--rounds", type=int, default=3, help="medians of so many runs (%(default)s)")
    add("--write", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
