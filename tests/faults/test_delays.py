"""When clients come back: not all at once, and none too late."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio import EndOfStream, Event, create_task_group, current_time, sleep
from anyio.abc import TaskStatus
from trio.testing import MockClock

from ycore import Channel, ClientWire, link
from ycore.extent import EMPTY_UPDATE
from ycore.protocol import encode_step2

CROWD = 1000

FIRST, LONGEST = 0.1, 5.0
"""Before the first attempt a client waits at most so long, and before any other; in seconds."""

OUTAGE = 10.0
"""After so long all clients wait up to the longest delay, in seconds."""


@pytest.mark.parametrize(
    ("attempt", "longest"),
    [(0, FIRST), (1, 0.2), (2, 0.4), (5, 3.2), (6, LONGEST), (7, LONGEST), (10**6, LONGEST)],
)
def test_the_longest_delay_doubles_up_to_a_bound(
    attempt: int, longest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "uniform", lambda low, high: (low, high))
    assert link._delay(attempt) == pytest.approx((0, longest))


@pytest.mark.parametrize(("attempt", "longest"), [(0, FIRST), (20, LONGEST)])
def test_delays_are_spread_over_all_that_may_be(attempt: int, longest: float) -> None:
    random.seed(1)
    counts = per_tenth(longest, (link._delay(attempt) for _ in range(CROWD)))
    assert set(counts) == set(range(10))
    assert max(counts.values()) < 2 * CROWD / 10


def test_a_thousand_clients_do_not_come_at_one_instant(caplog: pytest.LogCaptureFixture) -> None:
    # Every attempt leaves a line.
    caplog.set_level(logging.ERROR, "ycore.client")
    random.seed(1)
    # It jumps to the next moment that anybody waits for: nothing that is done takes time.
    clock = MockClock(autojump_threshold=0)
    knocks = anyio.run(knocks_of_a_crowd, backend="trio", backend_options={"clock": clock})
    at_once, later = delays_until_a_knock(knocks, 0), delays_until_a_knock(knocks, OUTAGE)
    for longest, delays in ((FIRST, at_once), (LONGEST, later)):
        assert len(delays) == CROWD
        assert max(delays) <= longest
        # Of waits that began at any time fewer end late than early.
        assert max(per_tenth(longest, delays).values()) < 3 * CROWD / 10


def per_tenth(longest: float, delays: Iterable[float]) -> Counter[int]:
    """Count how many fall into each tenth of a time."""
    return Counter(int(10 * delay / longest) for delay in delays)


def delays_until_a_knock(knocks: Iterable[list[float]], time: float) -> list[float]:
    """Return how long after a time each client tries to come back, of those that do."""
    later = [[knock - time for knock in own if knock >= time] for own in knocks]
    return [delays[0] for delays in later if delays]


async def knocks_of_a_crowd() -> list[list[float]]:
    """Return when each of many clients tries to come back, since they all lost their server."""
    was_shut, enough = Event(), Event()

    async def stay(client: Visitor, *, task_status: TaskStatus[None]) -> None:
        async with client:
            task_status.started()
            await enough.wait()

    crowd = [Visitor(was_shut) for _ in range(CROWD)]
    async with create_task_group() as tasks:
        for client in crowd:
            await tasks.start(stay, client)
        start = current_time()
        was_shut.set()
        await sleep(OUTAGE + LONGEST)
        enough.set()
    return [[knock - start for knock in client.knocks] for client in crowd]


class Visitor(ClientWire):
    """A client that gets in, but for when the door was shut; there is no server behind it."""

    address = "the door"

    def __init__(self, was_shut: Event) -> None:
        super().__init__()
        self.knocks: list[float] = []
        """When it tried in vain."""
        self._was_shut = was_shut

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        if self._was_shut.is_set():
            self.knocks.append(current_time())
            raise ConnectionRefusedError
        yield Hall(self.id, self._was_shut)


class Hall(Channel):
    """A connection that brings an empty document, and ends when the door is shut."""

    def __init__(self, id: str, was_shut: Event) -> None:  # noqa: A002
        super().__init__(id)
        self._arriving = [encode_step2(EMPTY_UPDATE)]
        self._was_shut = was_shut

    async def receive(self) -> bytes:
        if not self._arriving:
            await self._was_shut.wait()
            raise EndOfStream
        return self._arriving.pop()

    async def send(self, message: bytes) -> None:
        pass

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        pass
