"""A server that loses anything must not get away with it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from pycrdt import Doc, Text

from benchmarks.load import crowd
from benchmarks.load.scenarios.flood import Flood
from benchmarks.load.scenarios.presence import Presence
from benchmarks.load.scenarios.typing import Steady
from tests.benchmarks.relays import relaying
from ycore.protocol import encode_update

READERS, EDITS = 3, 250


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def everything(number: int, message: bytes) -> Iterable[bytes]:
    return [message]


def one_in_a_hundred_is_lost(number: int, message: bytes) -> Iterable[bytes]:
    return [] if number % 100 == 0 else [message]


def one_is_altered(number: int, message: bytes) -> Iterable[bytes]:
    # The letter is the last but the empty delete set.
    return [message[:-2] + b"!" + message[-1:]] if number == 100 else [message]


def one_is_cut(number: int, message: bytes) -> Iterable[bytes]:
    return [message[:-1]] if number == 100 else [message]


def one_is_added(number: int, message: bytes) -> Iterable[bytes]:
    doc: Doc[Text] = Doc()
    doc["other"] = Text("graffiti")
    return [message, encode_update(doc.get_update())] if number == 100 else [message]


async def test_a_relay_that_loses_nothing() -> None:
    async with relaying(everything) as target:
        outcome = await Flood(readers=READERS, edits=EDITS).run(target)
    assert outcome.faults == []
    assert outcome.figures["deliveries"] == READERS * EDITS
    assert outcome.figures["server_cpu"] > 0


async def test_a_relay_that_drops_one_update_in_a_hundred() -> None:
    async with relaying(one_in_a_hundred_is_lost) as target:
        outcome = await Flood(readers=READERS, edits=EDITS).run(target)
    # With the first edit, which opens the room, there is one more.
    assert outcome.faults == [
        f"reader {number} has 99 of {EDITS + 1} edits, then a gap"
        for number in range(1, READERS + 1)
    ]


@pytest.mark.parametrize(
    ("treat", "fault"),
    [
        (one_is_altered, "has another content"),
        (one_is_cut, "received what cannot be read"),
        (one_is_added, "has changes that nobody made"),
    ],
)
async def test_a_relay_that_alters(treat: object, fault: str) -> None:
    async with relaying(treat) as target:  # type: ignore[arg-type]
        outcome = await Flood(readers=READERS, edits=EDITS).run(target)
    assert len(outcome.faults) == READERS
    assert all(fault in each for each in outcome.faults)


async def test_the_last_update_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "PATIENCE", 0.5)

    def treat(number: int, message: bytes) -> Iterable[bytes]:
        return [] if number == EDITS + 1 else [message]

    async with relaying(treat) as target:
        outcome = await Flood(readers=1, edits=EDITS).run(target)
    assert outcome.faults == [f"reader 1 has {EDITS} of {EDITS + 1} edits, and no more came"]


async def test_latencies() -> None:
    async with relaying(everything) as target:
        outcome = await Steady(readers=READERS, seconds=0.5).run(target)
    assert outcome.faults == []
    assert 0 < outcome.figures["p50"] <= outcome.figures["p95"] <= outcome.figures["p99"]


async def test_presence() -> None:
    async with relaying(everything) as target:
        outcome = await Presence(clients=3, seconds=0.5).run(target)
    assert outcome.faults == []
    assert outcome.figures["seen_share"] == 1
    assert outcome.figures["p50"] > 0
