"""Send edits: as fast as a server takes them, or at a pace."""

from __future__ import annotations

from asyncio import sleep
from collections import deque
from collections.abc import Sequence
from time import perf_counter

from benchmarks.load.client import Client
from benchmarks.load.content import Edit
from benchmarks.load.crowd import wait_for

__all__ = ["WINDOW", "Pace", "flood", "marked_every"]

WINDOW = 256 * 1024
"""A server is never given more than this that did not get through to an observer, in bytes."""

_MARKS_PER_WINDOW = 4
_TOGETHER = 10
"""So many edits are sent between two looks at what else there is to do."""


def marked_every(size: int) -> int:
    """Return how many edits of a size, in bytes, there must be for one that has a marker."""
    return max(1, WINDOW // _MARKS_PER_WINDOW // size)


async def flood(writer: Client, observer: Client, edits: Sequence[Edit]) -> None:
    """Send edits as fast as the connection takes them and the window allows.

    Args:
        writer: Who sends them.
        observer: Receives them; the window moves on by the markers that it finds.
        edits: The edits, with a marker every now and then.
    """
    pairs = [(edit, writer.frame(edit.message)) for edit in edits]
    markers = deque(edit.marker for edit in edits[:-1] if edit.marker)
    unseen = 0
    for start in range(0, len(pairs), _TOGETHER):
        for edit, frame in pairs[start : start + _TOGETHER]:
            writer.send(frame)
            unseen += bool(edit.marker)
        if unseen >= _MARKS_PER_WINDOW and markers:
            if await wait_for([(observer, markers.popleft())]) is None:
                # It receives nothing any more: that it lacks something will be found.
                return
            unseen -= 1
        await sleep(0)


class Pace:
    """Lets something happen so many times a second, and notes when it did."""

    def __init__(self, per_second: float, *, offset: float = 0.0) -> None:
        """Make a pace.

        Args:
            per_second: How often.
            offset: When to begin, in parts of the time between two.
        """
        self.times: list[float] = []
        self._interval = 1 / per_second
        self._offset = offset

    async def write(self, writer: Client, frames: Sequence[bytes]) -> None:
        """Send one frame at a time; being late for one makes no other late."""
        start = perf_counter()
        for number, frame in enumerate(frames):
            due = start + (number + self._offset) * self._interval
            await sleep(max(0.0, due - perf_counter()))
            self.times.append(perf_counter())
            writer.send(frame)
