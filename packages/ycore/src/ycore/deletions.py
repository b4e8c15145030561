"""Whether one update deletes what another one does not, in steps: there may be very many deletions.

A client answers a question with everything that it has deleted; no state vector tells what of that
is news.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Generator, Iterator

from .extent import NO_DELETIONS, Extent
from .lib0 import Reader

__all__ = ["deletes", "walk_deletions"]

STRIDE = 1000
"""After so many deletions it is time for a pause: to look at them takes about a millisecond."""


def deletes(update: bytes, extent: Extent) -> bool:
    """Whether an update of an extent deletes something."""
    return bool(extent.deletions) and not update.startswith(NO_DELETIONS, extent.deletions)


def walk_deletions(
    update: bytes, extent: Extent, known: bytes, known_extent: Extent
) -> Generator[None, None, bool]:
    """Tell whether an update deletes what is not known to be deleted, and pause now and then.

    Args:
        update: The update, which was checked.
        extent: What the check told of it.
        known: An update that pycrdt has encoded, of what is known.
        known_extent: What a check tells of that.
    """
    ranges: dict[int, _Ranges] = {}
    for number, (client, start, end) in enumerate(_deletions(known, known_extent)):
        if client not in ranges:
            ranges[client] = _Ranges()
        ranges[client].append(start, end)
        if not number % STRIDE:
            yield
    for number, (client, start, end) in enumerate(_deletions(update, extent)):
        if end > start and not (client in ranges and ranges[client].hold(start, end)):
            return True
        if not number % STRIDE:
            yield
    return False


def _deletions(update: bytes, extent: Extent) -> Iterator[tuple[int, int, int]]:
    """Yield clients, each with the first clock of one of its ranges and the clock behind that."""
    reader = Reader(update)
    reader.pos = extent.deletions
    for _ in range(reader.uint()):
        client = reader.uint()
        for _ in range(reader.uint()):
            start = reader.uint()
            yield client, start, start + reader.uint()


class _Ranges:
    """Ranges of clocks, which pycrdt writes in order and apart."""

    def __init__(self) -> None:
        self._starts = array("I")
        self._ends = array("I")

    def append(self, start: int, end: int) -> None:
        self._starts.append(start)
        self._ends.append(end)

    def hold(self, start: int, end: int) -> bool:
        """Whether another range lies within one of them."""
        index = bisect_right(self._starts, start) - 1
        return index >= 0 and self._ends[index] >= end
