"""A client that keeps what it receives, and looks at it as little as it can."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator
from operator import itemgetter
from time import perf_counter

__all__ = ["Client", "Stamp"]

Stamp = tuple[int, float]
"""So many bytes had been received, at this time."""


class Client(ABC):
    """One client in one room, on whatever wire.

    While a clock runs it appends what comes, and searches it for one marker: bytes that are in the
    last update only. Frames are made before and split afterwards.
    """

    def __init__(self, name: str, room: str) -> None:
        """Make a client.

        Args:
            name: What to call it when it lacks something.
            room: The room.
        """
        self.name = name
        self.room = room
        self.received = bytearray()
        self.stamps: list[Stamp] | None = None
        """When what came came, once this is a list."""
        self.lost: str | None = None
        """Why the connection has ended, or None."""
        self._marker = b""
        self._found: asyncio.Future[float] | None = None

    @abstractmethod
    def frame(self, message: bytes) -> bytes:
        """Return what sends a y-protocols message."""

    @abstractmethod
    def send(self, frame: bytes) -> None:
        """Send what was made before."""

    @abstractmethod
    def messages(self) -> Iterator[tuple[bytes, int]]:
        """Return the y-protocols messages that came, each with where its frame ended."""

    @abstractmethod
    def pause(self) -> None:
        """Read nothing until `resume`."""

    @abstractmethod
    def resume(self) -> None:
        """Read on."""

    @abstractmethod
    async def leave(self) -> None:
        """End the connection at once."""

    def expect(self, marker: bytes) -> asyncio.Future[float]:
        """Return what tells when a marker came, or that the connection ended; one at a time."""
        self._marker = marker
        self._found = asyncio.get_running_loop().create_future()
        if self.lost is not None or marker in self.received:
            self._found.set_result(perf_counter())
        return self._found

    def arrival(self, end: int) -> float:
        """Return when so much had come; what came before there were stamps, with the first one."""
        assert self.stamps
        return self.stamps[bisect_left(self.stamps, end, key=itemgetter(0))][1]

    def take(self, data: bytes | memoryview) -> None:
        """Keep what came."""
        known, received = len(self.received), self.received
        received += data
        if self.stamps is not None:
            self.stamps.append((len(received), perf_counter()))
        if self._found is not None and not self._found.done():
            # What is new, and the end of what was known: the marker may be in both.
            start = max(0, known - len(self._marker) + 1)
            if received.find(self._marker, start) >= 0:
                self._found.set_result(perf_counter())

    def lose(self, reason: str) -> None:
        """Note that nothing more will come."""
        self.lost = reason
        if self._found is not None and not self._found.done():
            self._found.set_result(perf_counter())
