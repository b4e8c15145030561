"""Updates that something is missing before, kept until it is there.

A document can take in what lies behind a gap. But yrs 0.28, which pycrdt 0.14.13 is made of, does
not cope with what fills the gap if that is deleted and forgotten (a struct of GC) and reaches over
the end of the gap: then the document can be encoded no more. So no gap gets into a document.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import Any

from pycrdt import Doc

from .extent import Clocks, Extent, exceeds, sound_part
from .received import Received
from .updates import decode_state_vector

__all__ = ["Gaps"]

logger = logging.getLogger("ycore.room")

MAX_HELD = 1000
"""So many updates are kept; beyond it what came first is given up."""

MAX_HELD_BYTES = 16 * 1024 * 1024
"""So large may they be together."""


class Gaps:
    """Which updates would leave a gap in a document, and those that have to wait for that."""

    def __init__(self, doc: Doc[Any]) -> None:
        self._doc = doc
        self._known: dict[int, int] = {}
        """A state that the document has reached at least: to ask for its own one is dear."""
        self._is_current = False
        self._held: deque[Received] = deque()
        self._size = 0

    def has_gap(self, extent: Extent) -> bool:
        """Whether an update of this extent would leave a gap."""
        for client, clock in extent.needs.items():
            if clock > self._known.get(client, 0):
                return exceeds(extent.needs, self._state())
        return False

    def note_applied(self, extent: Extent) -> None:
        """Take note that an update without a gap was applied."""
        if extent.is_certain:
            # Such updates have one end.
            ((client, end),) = extent.ends.items()
            if end > self._known.get(client, 0):
                self._known[client] = end
        else:
            self._is_current = False

    def note_change(self) -> None:
        """Take note that the document has changed in some other way."""
        self._is_current = False

    def hold(self, received: Received) -> None:
        """Keep an update that has a gap."""
        self._held.append(received)
        self._size += len(received.update)
        while len(self._held) > MAX_HELD or self._size > MAX_HELD_BYTES:
            size = len(self._held.popleft().update)
            self._size -= size
            logger.warning("gave up an update of %d bytes: too many wait for what is missing", size)

    def sound_part(self, received: Received) -> Received:
        """Return the part of an update that leaves no gap; its source need not be asked for it."""
        update, extent = sound_part(received.update, received.extent, self._state())
        return Received(update, extent, received.source, complete=True)

    def release(self) -> list[Received]:
        """Return the updates that have no gap any more."""
        if not self._held:
            return []
        known = self._state()
        held, self._held = self._held, deque()
        released = []
        for received in held:
            if exceeds(received.extent.needs, known):
                self._held.append(received)
            else:
                self._size -= len(received.update)
                released.append(received)
        return released

    def _state(self) -> Clocks:
        if not self._is_current:
            self._known = decode_state_vector(self._doc.get_state())
            self._is_current = True
        return self._known
