"""How long each end needs to notice that a connection has failed, and the client to be back; and
how long a server needs to end.

Server, clients and the network between them are in this process, which does nothing else. The
heartbeats are the defaults.
"""

from __future__ import annotations

import argparse
import logging
import os
import platform
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic

import anyio
from anyio import (
    TASK_STATUS_IGNORED,
    create_task_group,
    fail_after,
    sleep,
    sleep_forever,
    to_thread,
)
from anyio.abc import TaskStatus
from pycrdt import Text

from ycore import ClientWire, ServerWire, Status, bind, connect

# Neither the benchmarks nor the tests are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from tests.life.mute import mute
from tests.network.proxy import Proxy, open_proxy

WIRES = ["websocket", "zmq"]

ROOM = "room"

LARGE = "x" * 20_000_000
"""More than the system holds for somebody who does not read."""

TIMEOUT = 60.0
"""No measurement takes so long, in seconds."""

TICK = 0.001
"""How often it is looked what a server has noticed, in seconds: no event tells."""


@dataclass(frozen=True)
class Fault:
    """Something that befalls the network."""

    name: str
    begin: Callable[[Proxy], object]
    end: Callable[[Proxy], object]


FAULTS = [
    Fault("reset", Proxy.unplug, Proxy.plug_in),
    Fault("silent", Proxy.stall, Proxy.resume),
]


@dataclass
class Result:
    """What a wire needed, by what was measured: in seconds, each time."""

    wire: str
    times: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def main() -> None:
    """Run the benchmark."""
    options = _parse()
    # That connections fail is what is measured.
    logging.getLogger("ycore").setLevel(logging.CRITICAL)
    results = [anyio.run(measure, wire, options) for wire in options.wires.split(",")]
    print_table(results, options)


async def measure(wire: str, options: argparse.Namespace) -> Result:
    """Measure one wire.

    Raises:
        TimeoutError: Something took too long.
    """
    result = Result(wire)
    for _ in range(options.rounds):
        for fault in FAULTS:
            with fail_after(TIMEOUT):
                await measure_a_fault(result, fault)
        with fail_after(TIMEOUT):
            await measure_the_end(result, options.clients)
            await measure_the_end_with_a_mute_client(result)
    return result


# A connection that fails


async def measure_a_fault(result: Result, fault: Fault) -> None:
    """Measure how a fault is noticed and survived."""
    async with (
        serving(result.wire) as server,
        open_proxy(port_of(server)) as proxy,
        connect(result.wire, id=ROOM, port=proxy.port) as client,
    ):
        await client.synchronized.wait()
        start = monotonic()

        async def time(noticed: Awaitable[None], by: str) -> None:
            await noticed
            result.times[f"{fault.name}: {by} notices"].append(monotonic() - start)

        fault.begin(proxy)
        async with create_task_group() as tasks:
            tasks.start_soon(time, until_lost(client), "client")
            tasks.start_soon(time, until_dropped(server), "server")
        start = monotonic()
        fault.end(proxy)
        await client.synchronized.wait()
        result.times[f"{fault.name}: back"].append(monotonic() - start)


async def until_lost(client: ClientWire) -> None:
    """Wait until a client has noticed that it is not connected any more."""
    with client.status_changes() as changes:
        async for status in changes:
            if status is Status.DISCONNECTED:
                return


async def until_dropped(server: ServerWire) -> None:
    """Wait until a server has noticed that its client is gone."""
    while not server.stats().drops:  # noqa: ASYNC110 - no event tells
        await sleep(TICK)


# A server that ends


async def measure_the_end(result: Result, clients: int) -> None:
    """Measure how long a server needs to tell all its clients that it ends."""
    async with create_task_group() as guests:
        async with serving(result.wire) as server:
            for _ in range(clients):
                await guests.start(visit, result.wire, port_of(server))
            start = monotonic()
        result.times[f"end: {clients} clients"].append(monotonic() - start)
        guests.cancel_scope.cancel()


async def visit(
    wire: str, port: int, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
) -> None:
    """Stay in the room."""
    async with connect(wire, id=ROOM, port=port):
        task_status.started()
        await sleep_forever()


async def measure_the_end_with_a_mute_client(result: Result) -> None:
    """Measure how long a server waits for somebody who does not read."""
    with ExitStack() as guests:
        async with serving(result.wire) as server, server.rooms.join(ROOM) as room:
            room.doc.get("text", type=Text).insert(0, LARGE)
            guest = mute(result.wire, port_of(server), ROOM)
            await to_thread.run_sync(guests.enter_context, guest)
            start = monotonic()
        result.times["end: one who does not read"].append(monotonic() - start)


@asynccontextmanager
async def serving(wire: str) -> AsyncIterator[ServerWire]:
    """Run a server."""
    async with bind(wire, port=0) as server:
        yield server


def port_of(server: ServerWire) -> int:
    """Return where a server listens."""
    port: int = getattr(server, "port")  # noqa: B009 - a wire's own
    return port


# The report


def print_table(results: list[Result], options: argparse.Namespace) -> None:
    """Print the figures for a person, as Markdown."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, rounds: {options.rounds}\n")
    print(f"| median (slowest), s | {' | '.join(result.wire for result in results)} |")
    print(f"|---|{'---|' * len(results)}")
    for name in results[0].times:
        cells = (
            f"{median(times):.3f} ({max(times):.3f})"
            for times in (result.times[name] for result in results)
        )
        print(f"| {name} | {' | '.join(cells)} |")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--wires", default=",".join(WIRES), help="which, with commas between (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often (%(default)s)")
    parser.add_argument(
        "--clients", type=int, default=100, help="of a server that ends (%(default)s)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
