"""Everybody moves a cursor, and sees those of all others."""

from __future__ import annotations

import json
import secrets
from asyncio import TaskGroup
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from benchmarks.load.client import Client
from benchmarks.load.crowd import Target, gathering, wait_for_silence
from benchmarks.load.meter import metering
from benchmarks.load.outcome import CPU, GROWTH, LATENCIES, LOAD, Column, Outcome
from benchmarks.load.rooms import ROOM
from benchmarks.load.scenarios.base import option
from benchmarks.load.writing import Pace
from ycore.protocol import (
    AwarenessEntry,
    Kind,
    decode,
    decode_awareness,
    encode_awareness,
    encode_entries,
)

__all__ = ["Presence"]

_SILENCE = 0.5


@dataclass(frozen=True)
class Presence:
    """Everybody moves a cursor, and sees those of all others."""

    title: ClassVar = "Presence: everybody moves a cursor"
    columns: ClassVar[tuple[Column, ...]] = (
        CPU,
        *LATENCIES,
        Column("seen_share", "moves seen one by one %", 100, is_compared=False),
        GROWTH,
        *LOAD,
    )

    clients: int = option(50, "how many there are")
    per_second: float = option(10.0, "how many moves each makes in a second")
    seconds: float = option(5.0, "for how long", scales=True)

    async def run(self, target: Target) -> Outcome:
        """See `Scenario`."""
        count = max(1, round(self.per_second * self.seconds))
        async with gathering(target) as crowd:
            names = [(f"client {number}", ROOM) for number in range(1, self.clients + 1)]
            # See `open_rooms` for why the first one goes ahead.
            clients = [*await crowd.join(names[:1]), *await crowd.join(names[1:])]
            for client in clients:
                client.stamps = []
            people = [
                _Person(client, Pace(self.per_second, offset=number / len(clients)))
                for number, client in enumerate(clients)
            ]
            moves = [person.moves(count) for person in people]
            with metering(target.server) as meter:
                async with TaskGroup() as tasks:
                    for person, frames in zip(people, moves, strict=True):
                        tasks.create_task(person.pace.write(person.client, frames))
                await wait_for_silence(clients, _SILENCE)
            arrivals = [client.stamps[-1][1] for client in clients if client.stamps]
            meter.end = max(arrivals, default=meter.end)
        deliveries = count * len(people) * (len(people) - 1)
        outcome = Outcome(meter.figures(deliveries))
        seen = _Seen(people, count)
        outcome.figures["seen_share"] = seen.moves / deliveries
        outcome.add_faults(seen.faults)
        outcome.add_latencies(seen.latencies)
        return outcome


@dataclass
class _Person:
    client: Client
    pace: Pace
    id: int = field(default_factory=lambda: secrets.randbits(32))

    def moves(self, count: int) -> list[bytes]:
        """Make the frames of moves; the clock of each is its number, from 1 on."""
        return [self.client.frame(self._move(number)) for number in range(1, count + 1)]

    def _move(self, number: int) -> bytes:
        state = {
            "user": {"name": self.client.name, "color": "#30bced"},
            "cursor": {"anchor": number, "head": number},
        }
        entry = AwarenessEntry(self.id, number, json.dumps(state))
        return encode_awareness(encode_entries([entry]))


class _Seen:
    """What everybody has seen of the others."""

    def __init__(self, people: Sequence[_Person], count: int) -> None:
        self.moves = 0
        """How many were seen one by one: a server may leave out what a later one replaces."""

        self.latencies: list[float] = []
        """How long each move took, or the one that replaced it, to each other client."""

        self.faults: list[str] = []
        self._people = {person.id: person for person in people}
        self._count = count
        for person in people:
            self._look(person)

    def _look(self, person: _Person) -> None:
        clocks = dict.fromkeys(self._people, 0)
        # Its own moves, which some servers tell it too, are not deliveries.
        del clocks[person.id]
        for message, end in person.client.messages():
            for kind, payload in decode(message):
                for entry in decode_awareness(payload) if kind is Kind.AWARENESS else ():
                    known = clocks.get(entry.client, entry.clock)
                    if entry.clock > known:
                        self._arrive(entry, known, person.client.arrival(end))
                        clocks[entry.client] = entry.clock
        behind = sum(clock < self._count for clock in clocks.values())
        if behind or person.client.lost:
            lost = f" ({person.client.lost})" if person.client.lost else ""
            self.faults.append(f"{person.client.name} lacks the last move of {behind}{lost}")

    def _arrive(self, entry: AwarenessEntry, known: int, time: float) -> None:
        self.moves += 1
        sent = self._people[entry.client].pace.times[known : entry.clock]
        self.latencies += [time - each for each in sent]
