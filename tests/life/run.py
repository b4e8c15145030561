"""Open and leave many rooms and connections in this process, and tell what is left of them.

Server and clients are in one process, so that what either leaves behind counts. Before the first
count some have come and gone already, which makes whatever is made only once. Linux only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import anyio
from anyio import AsyncContextManagerMixin, create_task_group, move_on_after, sleep
from pycrdt import Text

from ycore import Room, Rooms, bind, connect
from ycore.testing import until

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.life.census import Census, take_census

WIRES: dict[str, dict[str, Any]] = {
    "memory": {},
    "websocket": {"port": 0},
    "zmq": {"port": 0},
}
"""The options of a server on each wire."""

MEETING = "meeting"

WARM_UP = 200
"""So many visits are made of each kind before the first count."""

PATIENCE = 30.0
"""What is being closed may take so long until it is gone, in seconds."""

INTERVAL = 0.1
"""How often it is looked whether it is gone, in seconds: no event tells."""


def main() -> None:
    """Run, and print what there was before and afterwards as JSON."""
    options = _parse()
    anyio.run(_run, options, backend=options.backend)


async def _run(options: argparse.Namespace) -> None:
    async with Place(options.wire, options.batch) as place:
        await place.be_visited(rooms=options.batch, connections=options.batch)
    outside = await _settle(None)
    async with Place(options.wire, options.batch) as place:
        await place.be_visited(rooms=WARM_UP, connections=WARM_UP)
        before = await _settle(None)
        start = perf_counter()
        await place.be_visited(rooms=options.rooms, connections=options.connections)
        seconds = perf_counter() - start
        after = await _settle(before)
    end = await _settle(outside)
    report = {
        **vars(options),
        "seconds": round(seconds, 1),
        "left": after.beyond(before),
        "left_at_the_end": end.beyond(outside),
        "before": _shorten(before),
        "after": _shorten(after),
    }
    json.dump(report, sys.stdout, indent=2)


class Place(AsyncContextManagerMixin):
    """A server with a room that stays, and its visitors."""

    def __init__(self, wire: str, batch: int) -> None:
        self._wire = wire
        self._batch = batch
        self._rooms = Rooms(linger=0)
        self._address: dict[str, Any] = {}
        self._meeting: Room

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        async with (
            self._rooms,
            bind(self._wire, rooms=self._rooms, **WIRES[self._wire]) as server,
            self._rooms.join(MEETING) as self._meeting,
        ):
            if self._wire != "memory":
                self._address = {"port": getattr(server, "port")}  # noqa: B009 - a wire's own
            yield self

    async def be_visited(self, *, rooms: int, connections: int) -> None:
        """Have rooms opened and left, then connections."""
        await self._repeat(rooms, self._open_a_room)
        await self._repeat(connections // 2, self._visit_a_room)
        await self._repeat(connections - connections // 2, self._visit_the_meeting)

    async def _repeat(self, count: int, visit: Callable[[int], Awaitable[None]]) -> None:
        """Make visits, `batch` at a time."""
        numbers = iter(range(count))

        async def visit_some() -> None:
            for number in numbers:
                await visit(number)

        async with create_task_group() as tasks:
            for _ in range(self._batch):
                tasks.start_soon(visit_some)

    async def _open_a_room(self, number: int) -> None:
        async with self._rooms.join(f"room {number}") as room:
            room.doc["text"] = Text("somebody was here")

    async def _visit_a_room(self, number: int) -> None:
        async with connect(self._wire, id=f"room {number}", **self._address) as client:
            client.awareness.set_local_state({"number": number})
            client.doc["text"] = Text("somebody was here")

    async def _visit_the_meeting(self, number: int) -> None:
        async with connect(self._wire, id=MEETING, **self._address) as client:
            client.awareness.set_local_state({"number": number})
            me, here = client.awareness.client_id, self._meeting.awareness
            await until(here, lambda: me in here.states, timeout=PATIENCE)


async def _settle(expected: Census | None) -> Census:
    """Count once everything that has ended is gone, or is late.

    Args:
        expected: What there should be no more than; by default, when nothing more goes away.
    """
    now = take_census()
    with move_on_after(PATIENCE):
        while True:
            await sleep(INTERVAL)
            last, now = now, take_census()
            if not (now.beyond(expected) if expected else last.beyond(now)):
                break
    return now


def _shorten(census: Census) -> dict[str, int]:
    objects = sum(census.objects.values())
    return asdict(census) | {"objects": objects}


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wire", choices=WIRES, default="memory")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument("--rooms", type=int, default=10_000, help="opened without a client")
    parser.add_argument(
        "--connections",
        type=int,
        default=10_000,
        help="half of them to a room of their own, the others to one that stays",
    )
    parser.add_argument("--batch", type=int, default=100, help="so many at a time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
