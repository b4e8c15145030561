"""Many connections that say nothing."""

from __future__ import annotations

from asyncio import sleep
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.load.checking import Check
from benchmarks.load.crowd import Target, gathering
from benchmarks.load.meter import metering
from benchmarks.load.outcome import LOAD, Column, Outcome
from benchmarks.load.rooms import open_rooms
from benchmarks.load.scenarios.base import option

__all__ = ["Idle"]


@dataclass(frozen=True)
class Idle:
    """Many connections that say nothing."""

    title: ClassVar = "Idle: many connections that say nothing"
    columns: ClassVar[tuple[Column, ...]] = (
        Column("cpu_per_delivery", "CPU ms / connection", 1e3),
        Column("memory_per_connection", "KB / connection", 1e-3),
        Column("idle_cpu", "then CPU ms/s", 1e3),
        *LOAD,
    )

    connections: int = option(1_000, "how many connections", scales=True)
    together: int = option(10, "how many of them are in a room")
    seconds: float = option(2.0, "how long to watch them idle", scales=True)

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        count = self.connections // self.together
        names = [f"room {number}" for number in range(1, count + 1)]
        async with gathering(target) as crowd:
            # Opening the rooms ends with one edit in each, which shows that all are there.
            with metering(target.server) as joining:
                rooms = await open_rooms(crowd, names, self.together - 1)
            with metering(target.server) as waiting:
                await sleep(self.seconds)
            outcome = Outcome(joining.figures(len(crowd.clients)))
            outcome.figures["memory_per_connection"] = joining.growth / len(crowd.clients)
            outcome.figures["idle_cpu"] = waiting.server_cpu / waiting.seconds
            for room in rooms:
                outcome.add_faults(Check(room.author, [room.probe]).faults(room.readers))
            return outcome
