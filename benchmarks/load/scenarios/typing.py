"""People type at a pace, in one room or in many."""

from __future__ import annotations

from asyncio import TaskGroup
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.load.checking import Check
from benchmarks.load.content import Edit, typed
from benchmarks.load.crowd import Target, gathering, wait_for
from benchmarks.load.meter import metering
from benchmarks.load.outcome import CPU, GROWTH, LATENCIES, LOAD, Column, Outcome
from benchmarks.load.rooms import ROOM, Room, open_rooms
from benchmarks.load.scenarios.base import option
from benchmarks.load.writing import Pace

__all__ = ["Rooms", "Steady"]


@dataclass(frozen=True)
class Steady:
    """One types at a pace, some read."""

    title: ClassVar = "Steady typing: one types at a pace"
    columns: ClassVar[tuple[Column, ...]] = (CPU, *LATENCIES, GROWTH, *LOAD)

    readers: int = option(19, "how many read")
    per_second: float = option(100.0, "how many edits are typed in a second")
    seconds: float = option(8.0, "for how long", scales=True)

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        return await _type(target, [ROOM], self.readers, self.per_second, self.seconds)


@dataclass(frozen=True)
class Rooms:
    """Many rooms with one writer and one reader each."""

    title: ClassVar = "Rooms of two: in each, one types to the other"
    columns: ClassVar[tuple[Column, ...]] = (CPU, *LATENCIES, GROWTH, *LOAD)

    rooms: int = option(200, "how many rooms")
    per_second: float = option(5.0, "how many edits are typed in a second, in each room")
    seconds: float = option(5.0, "for how long", scales=True)

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        names = [f"room {number}" for number in range(1, self.rooms + 1)]
        return await _type(target, names, 1, self.per_second, self.seconds)


async def _type(
    target: Target, names: list[str], readers: int, per_second: float, seconds: float
) -> Outcome:
    count = max(1, round(per_second * seconds))
    async with gathering(target) as crowd:
        rooms = await open_rooms(crowd, names, readers)
        written = [typed(room.author, count) for room in rooms]
        paces = [Pace(per_second, offset=n / len(rooms)) for n in range(len(rooms))]
        for client in crowd.clients:
            client.stamps = []
        with metering(target.server) as meter:
            async with TaskGroup() as tasks:
                for room, edits, pace in zip(rooms, written, paces, strict=True):
                    frames = [room.writer.frame(edit.message) for edit in edits]
                    tasks.create_task(pace.write(room.writer, frames))
            await wait_for(
                pair
                for room, edits in zip(rooms, written, strict=True)
                for pair in room.expecting(edits[-1])
            )
        return _outcome(meter.figures(count * readers * len(rooms)), rooms, written, paces)


def _outcome(
    figures: dict[str, float], rooms: list[Room], written: list[list[Edit]], paces: list[Pace]
) -> Outcome:
    outcome, latencies = Outcome(figures), list[float]()
    for room, edits, pace in zip(rooms, written, paces, strict=True):
        check = Check(room.author, [room.probe, *edits])
        faults = check.faults(room.readers)
        outcome.add_faults(faults)
        if not faults:
            latencies += check.latencies(room.readers, edits, pace.times)
    outcome.add_latencies(latencies)
    return outcome
