"""The writers: each brings its part of a trace into a document that is shared live."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from anyio import current_time, sleep_until
from anyio.lowlevel import checkpoint
from pycrdt import Doc

from .recording import Step, record
from .traces import Editor, Trace
from .watching import clocks, wait_until

__all__ = ["Pace", "Writer", "writers_of"]


class Pace:
    """How fast a writer is, and how often everybody else gets a turn."""

    def __init__(self, *, speed: float = math.inf, every: int = 1) -> None:
        """Begin now.

        Args:
            speed: How many times faster than in the recording; `math.inf` for no pauses.
            every: Without pauses, the others get a turn after so many transactions.
        """
        self._speed = speed
        self._every = every
        self._start = current_time()
        self._count = 0

    async def wait(self, seconds: float) -> None:
        """Wait until it is time for a transaction of this time of the recording."""
        self._count += 1
        if self._speed < math.inf:
            await sleep_until(self._start + seconds / self._speed)
        elif self._count % self._every == 0:
            await checkpoint()


Writer = Callable[[Doc[Any], Pace], Coroutine[Any, Any, None]]
"""Writes one writer's part of a trace into a document."""


def writers_of(trace: Trace) -> list[Writer]:
    """Return the writers of a trace, who write at the same time, each in a document of its own.

    Raises:
        ValueError: The trace cannot be replayed.
    """
    if trace.agents == 1:
        return [partial(_type, trace)]
    return [partial(_send, steps) for steps in record(trace)]


async def _type(trace: Trace, doc: Doc[Any], pace: Pace) -> None:
    """Edit the text, which nobody else edits meanwhile."""
    editor = Editor(doc, is_ascii=trace.is_ascii)
    for transaction in trace.transactions:
        await pace.wait(transaction.seconds)
        editor.apply(transaction.patches)


async def _send(steps: Sequence[Step], doc: Doc[Any], pace: Pace) -> None:
    """Bring steps into a document, each when all that it builds on is there."""
    for step in steps:
        await pace.wait(step.seconds)
        if step.needs:
            await wait_until(doc, partial(_has, doc, step.needs))
        doc.apply_update(step.update)


def _has(doc: Doc[Any], needs: Mapping[int, int]) -> bool:
    there = clocks(doc)
    return all(there.get(client, 0) >= clock for client, clock in needs.items())
