"""One writes as fast as the server takes it, many read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import process_time
from typing import Any, ClassVar

from pycrdt import Doc

from benchmarks.load.checking import Check
from benchmarks.load.content import Edit, manuscript, replayed, typed
from benchmarks.load.crowd import Target, gathering, wait_for
from benchmarks.load.meter import metering
from benchmarks.load.outcome import CPU, FLOOR, GROWTH, LOAD, RATE, Column, Outcome
from benchmarks.load.rooms import ROOM, Room, fill, open_rooms
from benchmarks.load.scenarios.base import option
from benchmarks.load.writing import flood, marked_every

__all__ = ["Flood", "Trace"]

_COLUMNS = (CPU, RATE, GROWTH, *LOAD, FLOOR)
_OVERHEAD = 25
"""What an edit has besides what is written, in bytes, about."""


@dataclass(frozen=True)
class Flood:
    """One types as fast as the server takes it, many read."""

    title: ClassVar = "Flood: one types as fast as the server takes it"
    columns: ClassVar[tuple[Column, ...]] = _COLUMNS

    readers: int = option(49, "how many read")
    edits: int = option(5_000, "how many edits are typed", scales=True)
    size: int = option(1, "what each inserts, in characters")
    document: int = option(0, "how many edits the document is made of before")

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        async with gathering(target) as crowd:
            [room] = await open_rooms(crowd, [ROOM], self.readers)
            before = [room.probe, *manuscript(room.author, self.document)]
            if self.document:
                await fill(room, before[1:])
            every = marked_every(_OVERHEAD + self.size)
            edits = typed(room.author, self.edits, size=self.size, marked_every=every)
            return await _measure(target, room, before, edits)


@dataclass(frozen=True)
class Trace:
    """One replays a recording as fast as the server takes it, some read."""

    title: ClassVar = "Trace: a recording is replayed as fast as the server takes it"
    columns: ClassVar[tuple[Column, ...]] = _COLUMNS

    trace: str = option("sveltecomponent", "the file, or the name of one in ../shared/data")
    readers: int = option(9, "how many read")
    edits: int = option(10_000, "how many of its edits are replayed, at most", scales=True)

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        async with gathering(target) as crowd:
            [room] = await open_rooms(crowd, [ROOM], self.readers)
            every = marked_every(_OVERHEAD)
            edits = replayed(room.author, self.trace, self.edits, marked_every=every)
            return await _measure(target, room, [room.probe], edits)


async def _measure(
    target: Target, room: Room, before: Sequence[Edit], edits: Sequence[Edit]
) -> Outcome:
    with metering(target.server) as meter:
        await flood(room.writer, room.readers[0], edits)
        await wait_for(room.expecting(edits[-1]))
    outcome = Outcome(meter.figures(len(edits) * len(room.readers)))
    outcome.add_faults(Check(room.author, [*before, *edits]).faults(room.readers))
    outcome.figures[FLOOR.key] = _cost_alone(before, edits)
    return outcome


def _cost_alone(before: Sequence[Edit], edits: Sequence[Edit]) -> float:
    """Return what pycrdt takes to apply an edit, one by one, in seconds of CPU."""
    doc: Doc[Any] = Doc()
    for edit in before:
        doc.apply_update(edit.update)
    updates = [edit.update for edit in edits]
    start = process_time()
    for update in updates:
        doc.apply_update(update)
    return (process_time() - start) / len(edits)
