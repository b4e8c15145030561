"""Open and leave many rooms and connections in this process, and tell what is left of them.

Others find no place, and are refused.

Server and clients are in one process, so that what either leaves behind counts. They come in equal
batches. What is made only once is made by a batch before the first count. Linux only.
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

from ycore import ConnectError, Room, Rooms, ServerWire, bind, connect
from ycore.testing import until

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.life.census import Census, take_census
from tests.life.wires import address_of

WIRES: dict[str, dict[str, Any]] = {
    "memory": {},
    "websocket": {"port": 0},
    "zmq": {"port": 0},
}
"""The options of a server on each wire."""

FULL = WIRES | {"memory": {"name": "full"}}
"""Those of a second one."""

MEETING = "meeting"

PATIENCE = 30.0
"""What a visitor waits for may take so long, in seconds."""

CLOSING = 10.0
"""What is being closed may take so long until it is gone, in seconds."""

INTERVAL = 0.05
"""How often it is looked whether it is gone, in seconds: no event tells."""


def main() -> None:
    """Run, and print what there was before and afterwards as JSON."""
    options = _parse()
    anyio.run(_run, options, backend=options.backend)


async def _run(options: argparse.Namespace) -> None:
    start = perf_counter()
    async with Place(options.wire, options.at_once) as place:
        await place.be_visited(
            rooms=options.at_once, connections=options.at_once, refused=options.at_once
        )
    outside = await _settle(None)
    async with Place(options.wire, options.at_once) as place:
        batch = {name: getattr(options, name) for name in ("rooms", "connections", "refused")}
        await place.be_visited(**batch)
        counts = [await _settle(None)]
        for _ in range(options.batches):
            await place.be_visited(**batch)
            counts.append(await _settle(None))
        after = await _settle(counts[0])
    end = await _settle(outside)
    report = {
        **vars(options),
        "seconds": round(perf_counter() - start, 1),
        "left": after.beyond(counts[0]),
        "left_at_the_end": end.beyond(outside),
        "memory": [census.memory for census in counts],
        "before": _shorten(counts[0]),
        "after": _shorten(after),
    }
    json.dump(report, sys.stdout, indent=2)


class Place(AsyncContextManagerMixin):
    """A server with a room that stays, a server that is full, and their visitors."""

    def __init__(self, wire: str, at_once: int) -> None:
        self._wire = wire
        self._at_once = at_once
        self._rooms = Rooms(linger=0)
        self._server: ServerWire
        self._full: ServerWire
        self._meeting: Room

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        async with (
            self._rooms,
            bind(self._wire, rooms=self._rooms, **WIRES[self._wire]) as self._server,
            bind(self._wire, max_connections=1, **FULL[self._wire]) as self._full,
            connect(self._wire, **address_of(self._full)),
            self._rooms.join(MEETING) as self._meeting,
        ):
            yield self

    async def be_visited(self, *, rooms: int, connections: int, refused: int) -> None:
        """Have rooms opened and left, then connections, then some that are refused."""
        await self._repeat(rooms, self._open_a_room)
        await self._repeat(connections // 2, self._visit_a_room)
        await self._repeat(connections - connections // 2, self._visit_the_meeting)
        await self._repeat(refused, self._be_refused)

    async def _repeat(self, count: int, visit: Callable[[int], Awaitable[None]]) -> None:
        """Make visits, so many at a time."""
        numbers = iter(range(count))

        async def visit_some() -> None:
            for number in numbers:
                await visit(number)

        async with create_task_group() as tasks:
            for _ in range(self._at_once):
                tasks.start_soon(visit_some)

    async def _open_a_room(self, number: int) -> None:
        async with self._rooms.join(f"room {number}") as room:
            room.doc["text"] = Text("somebody was here")

    async def _visit_a_room(self, number: int) -> None:
        async with connect(self._wire, id=f"room {number}", **address_of(self._server)) as client:
            client.awareness.set_local_state({"number": number})
            client.doc["text"] = Text("somebody was here")

    async def _visit_the_meeting(self, number: int) -> None:
        async with connect(self._wire, id=MEETING, **address_of(self._server)) as client:
            client.awareness.set_local_state({"number": number})
            me, here = client.awareness.client_id, self._meeting.awareness
            await until(here, lambda: me in here.states, timeout=PATIENCE)

    async def _be_refused(self, number: int) -> None:
        try:
            async with connect(self._wire, id=f"room {number}", **address_of(self._full)):
                raise AssertionError("there was a place")
        except ConnectError:
            pass


async def _settle(expected: Census | None) -> Census:
    """Count once everything that has ended is gone, or is late.

    Args:
        expected: What there should be no more than; by default, when nothing more goes away.
    """
    now = take_census()
    with move_on_after(CLOSING):
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
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument(
        "--rooms", type=int, default=2500, help="opened without a client, in each batch"
    )
    parser.add_argument(
        "--connections",
        type=int,
        default=2500,
        help="in each batch: half of them to a room of their own, the others to one that stays",
    )
    parser.add_argument(
        "--refused", type=int, default=2500, help="who find no place, in each batch"
    )
    parser.add_argument("--at-once", type=int, default=100, help="so many come at a time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
