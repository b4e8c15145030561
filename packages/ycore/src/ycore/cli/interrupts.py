"""Ending at Ctrl-C or SIGTERM, in good order where that is possible."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from anyio import CancelScope, open_signal_receiver

from ycore.tasks import background_tasks

__all__ = ["Interrupts", "watching_for_interrupts"]


class Interrupts:
    """What Ctrl-C and SIGTERM end: the innermost block that says so.

    The blocks around it then end as if it had ended by itself. Who cannot wait for that interrupts
    again, which ends the next block.
    """

    def __init__(self) -> None:
        self._endings: list[Callable[[], object]] = []

    @contextmanager
    def end_this(self) -> Iterator[None]:
        """Let an interrupt end the block."""
        with CancelScope() as scope, self._ended_by(scope.cancel):
            yield

    @contextmanager
    def exit_here(self) -> Iterator[None]:
        """Let an interrupt end the process at once, where there is nothing to be saved."""
        with self._ended_by(lambda: os._exit(0)):
            yield

    def interrupt(self) -> None:
        """End the innermost block."""
        if self._endings:
            self._endings.pop()()

    @contextmanager
    def _ended_by(self, ending: Callable[[], object]) -> Iterator[None]:
        self._endings.append(ending)
        try:
            yield
        finally:
            if ending in self._endings:
                self._endings.remove(ending)


@asynccontextmanager
async def watching_for_interrupts() -> AsyncIterator[Interrupts]:
    """Turn Ctrl-C and SIGTERM into interrupts for the duration of the block."""
    interrupts = Interrupts()
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with background_tasks() as tasks:
            tasks.start_soon(_forward, signals, interrupts)
            yield interrupts


async def _forward(signals: AsyncIterator[signal.Signals], interrupts: Interrupts) -> None:
    async for _ in signals:
        interrupts.interrupt()
