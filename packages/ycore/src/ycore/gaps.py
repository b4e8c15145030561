"""What lies behind a gap, kept until that is filled.

A document could take it in at once. But yrs 0.28, which pycrdt 0.14.13 is made of, does not cope
with what fills a gap if that is deleted and forgotten (a struct of GC) and reaches over the end of
the gap: then the document can be encoded no more. So no update leaves a gap in a document.
"""

from __future__ import annotations

import logging
from typing import Any, NamedTuple

from pycrdt import Doc

from .extent import NO_DELETIONS, Clocks, Extent, Run, join
from .received import Absent, Received
from .updates import decode_state_vector, is_within_a_pair

__all__ = ["Gaps"]

logger = logging.getLogger("ycore.room")

MAX_HELD = 1000
"""So many runs are kept; beyond it what came first is given up."""

MAX_HELD_BYTES = 16 * 1024 * 1024
"""So large may they be together."""

ABSENT = Absent()


class _Held(NamedTuple):
    update: bytes
    run: Run
    has_pairs: bool


class Gaps:
    """Which updates would leave a gap in a document, and what has to wait for that."""

    def __init__(self, doc: Doc[Any]) -> None:
        self._doc = doc
        self._known: dict[int, int] = {}
        """A state that the document has reached at least: to ask for its own one is dear."""
        self._is_current = False
        self._held: dict[tuple[int, int], _Held] = {}
        """By client and clock; what came first is first."""
        self._size = 0
        self._has_given_up = False

    def has_gap(self, extent: Extent) -> bool:
        """Whether an update would leave a gap."""
        reached = self._known
        for run in extent.runs:
            if run.clock > reached.get(run.client, 0):
                known = self._state()
                return any(run.clock > known.get(run.client, 0) for run in extent.runs)
        return False

    def splits_a_pair(self, update: bytes, extent: Extent) -> bool:
        """Whether the document ends within a surrogate pair of an update, which nobody writes.

        pycrdt 0.14.13 would lose half of it, or panic.
        """
        known = self._state()
        return any(is_within_a_pair(update, run, known.get(run.client, 0)) for run in extent.runs)

    def note_applied(self, extent: Extent) -> None:
        """Take note that an update without a gap was applied."""
        self._is_current = False
        if extent.neighbours is None:
            return
        (run,) = extent.runs
        known = self._known
        if known.get(run.client, 0) != run.clock:
            # Of what is not all new, pycrdt takes what it can.
            return
        for client, clock in extent.neighbours.items():
            if clock > known.get(client, 0):
                return
        known[run.client] = run.end

    def note_change(self) -> None:
        """Take note that the document has changed in some other way."""
        self._is_current = False

    def split(self, received: Received) -> Received:
        """Keep what lies behind a gap, and return the rest of an update."""
        update, extent = received.update, received.extent
        known = self._state()
        sound: dict[int, Run] = {}
        for run in extent.runs:
            if run.clock > known.get(run.client, 0):
                self._hold(update, run, extent.has_pairs)
            else:
                # What comes before it is known.
                sound[run.client] = run
        deletions = update[extent.deletions :] if extent.deletions else NO_DELETIONS
        rest, runs = join(update, sound.values(), deletions)
        extent = extent._replace(runs=runs, deletions=len(rest) - len(deletions), neighbours=None)
        return Received(rest, extent, received.source, complete=True)

    def release(self) -> list[Received]:
        """Return what lies behind no gap any more."""
        if not self._held:
            return []
        known = self._state()
        free = [key for key in self._held if key[1] <= known.get(key[0], 0)]
        return [self._take(key) for key in free]

    def _hold(self, update: bytes, run: Run, has_pairs: bool) -> None:
        key = run.client, run.clock
        if key in self._held:
            if self._held[key].run.end >= run.end:
                return
            self._forget(key)
        self._held[key] = _Held(*_alone(update, run), has_pairs)
        self._size += len(self._held[key].update)
        while len(self._held) > MAX_HELD or self._size > MAX_HELD_BYTES:
            self._forget(next(iter(self._held)))
            if not self._has_given_up:
                self._has_given_up = True
                logger.warning("gave up changes that others are missing before: too many wait")

    def _take(self, key: tuple[int, int]) -> Received:
        held = self._forget(key)
        self._has_given_up = self._has_given_up and bool(self._held)
        ends = {held.run.client: held.run.end}
        extent = Extent(ends, (held.run,), has_pairs=held.has_pairs)
        return Received(held.update, extent, ABSENT, complete=True)

    def _forget(self, key: tuple[int, int]) -> _Held:
        held = self._held.pop(key)
        self._size -= len(held.update)
        return held

    def _state(self) -> Clocks:
        if not self._is_current:
            self._known = decode_state_vector(self._doc.get_state())
            self._is_current = True
        return self._known


def _alone(update: bytes, run: Run) -> tuple[bytes, Run]:
    encoded, (moved,) = join(update, [run])
    return encoded, moved
