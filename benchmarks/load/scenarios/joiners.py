"""Many join a room with a long document: one after another, or all at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

from benchmarks.load.checking import Check
from benchmarks.load.content import manuscript
from benchmarks.load.crowd import Crowd, Target, gathering, wait_for
from benchmarks.load.meter import metering
from benchmarks.load.outcome import GROWTH, LATENCIES, LOAD, Column, Outcome
from benchmarks.load.rooms import ROOM, fill, open_rooms
from benchmarks.load.scenarios.base import option

__all__ = ["Joiners", "Storm"]

_COLUMNS = (Column("cpu_per_delivery", "CPU ms / joiner", 1e3), *LATENCIES, GROWTH, *LOAD)


@dataclass(frozen=True)
class Joiners:
    """Many join a room with a long document, one after another."""

    title: ClassVar = "Joiners of a long document, one after another"
    columns: ClassVar[tuple[Column, ...]] = _COLUMNS

    joiners: int = option(100, "how many join", scales=True)
    document: int = option(50_000, "how many edits the document is made of")

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        return await _join(target, self.joiners, self.document, together=False)


@dataclass(frozen=True)
class Storm:
    """Many join a room with a long document, all at once."""

    title: ClassVar = "Joiners of a long document, all at once"
    columns: ClassVar[tuple[Column, ...]] = _COLUMNS

    joiners: int = option(100, "how many join", scales=True)
    document: int = option(50_000, "how many edits the document is made of")

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        return await _join(target, self.joiners, self.document, together=True)


async def _join(target: Target, joiners: int, document: int, *, together: bool) -> Outcome:
    async with gathering(target) as crowd:
        [room] = await open_rooms(crowd, [ROOM], 1)
        edits = manuscript(room.author, document)
        await fill(room, edits)
        marker = edits[-1].marker
        known = len(crowd.clients)
        with metering(target.server) as meter:
            if together:
                latencies = await _all_at_once(crowd, joiners, marker)
            else:
                latencies = [latency async for latency in _one_by_one(crowd, joiners, marker)]
        outcome = Outcome(meter.figures(joiners))
        outcome.add_faults(Check(room.author, [room.probe, *edits]).faults(crowd.clients[known:]))
        outcome.add_latencies(latencies)
        return outcome


async def _one_by_one(crowd: Crowd, joiners: int, marker: bytes) -> AsyncIterator[float]:
    for number in range(1, joiners + 1):
        start = perf_counter()
        client = await crowd.connect(f"joiner {number}", ROOM)
        times = await wait_for([(client, marker)])
        if times is None:
            # The others would have to wait as long for nothing.
            return
        yield times[0] - start


async def _all_at_once(crowd: Crowd, joiners: int, marker: bytes) -> list[float]:
    start = perf_counter()
    names = [f"joiner {number}" for number in range(1, joiners + 1)]
    clients = await asyncio.gather(*(crowd.connect(name, ROOM) for name in names))
    times = await wait_for((client, marker) for client in clients)
    return [time - start for time in times or []]
