"""What an update deletes, looked through in steps: there may be very many deletions.

A client answers a question with everything that it has deleted; no state vector tells what of that
is news.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Generator, Iterator

from .extent import NO_DELETIONS, Extent
from .lib0 import Reader

__all__ = ["Deletions", "deletes", "walk_deletions"]

STRIDE = 1000
"""After so many deletions it is time for a pause: to look at them takes about a millisecond."""


def deletes(update: bytes, extent: Extent) -> bool:
    """Whether an update of an extent deletes something."""
    return bool(extent.deletions) and not update.startswith(NO_DELETIONS, extent.deletions)


def walk_deletions(update: bytes, extent: Extent) -> Generator[None, None, Deletions]:
    """Return what an update deletes, and pause now and then.

    Args:
        update: The update, which pycrdt has encoded.
        extent: What a check told of it.
    """
    found = Deletions(update)
    for number, deletion in enumerate(_deletions(update, extent)):
        found.append(*deletion)
        if not number % STRIDE:
            yield
    return found


class Deletions:
    """What an update deletes: of each client ranges of clocks, in order and apart."""

    def __init__(self, update: bytes) -> None:
        """Begin with nothing.

        Args:
            update: The update.
        """
        self.update = update
        self._starts: dict[int, array[int]] = {}
        self._ends: dict[int, array[int]] = {}

    def append(self, client: int, start: int, end: int) -> None:
        """Add a range, which is behind the others of its client."""
        if client not in self._starts:
            self._starts[client], self._ends[client] = array("I"), array("I")
        self._starts[client].append(start)
        self._ends[client].append(end)

    def walk_lacking(self, update: bytes, extent: Extent) -> Generator[None, None, bool]:
        """Tell whether another update deletes anything else, and pause now and then.

        Args:
            update: The other update, which was checked.
            extent: What the check told of it.
        """
        for number, (client, start, end) in enumerate(_deletions(update, extent)):
            if start < end and not self._has(client, start, end):
                return True
            if not number % STRIDE:
                yield
        return False

    def _has(self, client: int, start: int, end: int) -> bool:
        starts = self._starts.get(client)
        if starts is None:
            return False
        index = bisect_right(starts, start) - 1
        return index >= 0 and self._ends[client][index] >= end


def _deletions(update: bytes, extent: Extent) -> Iterator[tuple[int, int, int]]:
    """Yield clients, each with the first clock of one of its ranges and the clock behind that."""
    reader = Reader(update)
    reader.pos = extent.deletions
    for _ in range(reader.uint()):
        client, ranges = reader.uint(), reader.uint()
        if not ranges:
            # That takes time, too.
            yield client, 0, 0
        for _ in range(ranges):
            start = reader.uint()
            yield client, start, start + reader.uint()
