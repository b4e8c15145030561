"""Running until the user, or the system, asks for an end."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable

from anyio import CancelScope, open_signal_receiver

from ycore.tasks import background_tasks

__all__ = ["run_until_interrupted"]


async def run_until_interrupted(job: Callable[[], Awaitable[None]]) -> None:
    """Run a job until it ends or Ctrl-C or SIGTERM comes, which cancels it.

    Args:
        job: What to run.
    """
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with background_tasks() as tasks:
            with CancelScope() as scope:
                tasks.start_soon(_cancel_at, signals, scope)
                await job()


async def _cancel_at(signals: AsyncIterator[signal.Signals], scope: CancelScope) -> None:
    await anext(signals)
    scope.cancel()
