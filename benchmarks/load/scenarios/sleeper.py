"""One of a room stops reading while much is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from benchmarks.load.checking import Check
from benchmarks.load.content import typed
from benchmarks.load.crowd import Target, gathering, wait_for
from benchmarks.load.meter import metering
from benchmarks.load.outcome import CPU, GROWTH, LOAD, RATE, Column, Outcome
from benchmarks.load.rooms import ROOM, open_rooms
from benchmarks.load.scenarios.base import option
from benchmarks.load.writing import flood, marked_every

__all__ = ["Sleeper"]

_BUFFER = 64 * 1024
"""So much the system takes for the sleeper, in bytes: what more there is waits at the server."""


@dataclass(frozen=True)
class Sleeper:
    """One of a room stops reading while much is written."""

    title: ClassVar = "Sleeper: one stops reading while much is written"
    columns: ClassVar[tuple[Column, ...]] = (
        CPU,
        RATE,
        GROWTH,
        Column("woken_bytes", "then gets MB", 1e-6, is_compared=False),
        *LOAD,
    )

    readers: int = option(18, "how many others read")
    edits: int = option(5_000, "how many edits are written", scales=True)
    size: int = option(1_000, "what each inserts, in characters")

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        async with gathering(target) as crowd:
            [room] = await open_rooms(crowd, [ROOM], self.readers)
            readers = room.readers
            sleeper = await crowd.connect("the sleeper", ROOM, buffer_size=_BUFFER)
            await wait_for([(sleeper, room.probe.marker)])
            sleeper.pause()
            every = marked_every(self.size)
            edits = typed(room.author, self.edits, size=self.size, marked_every=every)
            with metering(target.server) as meter:
                await flood(room.writer, readers[0], edits)
                times = await wait_for((reader, edits[-1].marker) for reader in readers)
            known = len(sleeper.received)
            sleeper.resume()
            await wait_for([(sleeper, edits[-1].marker)])
        outcome = Outcome(meter.figures(self.edits * self.readers))
        outcome.figures["woken_bytes"] = len(sleeper.received) - known
        if times is None:
            outcome.notes.append("the others received nothing more while one slept")
        check = Check(room.author, [room.probe, *edits])
        outcome.add_faults(check.faults(readers))
        # It is no loss: a real client comes back and asks for what it lacks.
        if sleeper.lost is not None:
            outcome.notes.append(f"the sleeper lost its connection: {sleeper.lost}")
        else:
            outcome.add_faults(check.faults([sleeper]))
        return outcome
