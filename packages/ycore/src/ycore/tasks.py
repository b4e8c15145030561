"""A task group for the inside of a context manager."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import (
    CancelScope,
    Event,
    create_task_group,
    get_cancelled_exc_class,
    sleep_forever,
)
from anyio.abc import TaskGroup

__all__ = ["background_tasks"]


@asynccontextmanager
async def background_tasks() -> AsyncIterator[TaskGroup]:
    """Run tasks beside a block: they are cancelled at its end, and their failure cancels it.

    A lone exception comes out as itself: whoever uses a context manager need not know that there
    is a task group inside. Cancelling the block does not cancel the tasks before its end, so that
    what the block does when it is left can still rely on them.
    """
    tasks, ended, ready = create_task_group(), CancelScope(shield=True), Event()
    try:
        async with create_task_group() as outer:
            outer.start_soon(_hold, tasks, ended, ready)
            try:
                with CancelScope(shield=True):
                    await ready.wait()
                yield tasks
            finally:
                ended.cancel()
    except BaseExceptionGroup as group:
        error = _sole(group)
        raise error from error.__cause__


async def _hold(tasks: TaskGroup, ended: CancelScope, ready: Event) -> None:
    """Keep a task group open until it is ended, whatever is cancelled around it."""
    try:
        with ended:
            async with tasks:
                ready.set()
                await sleep_forever()
    except BaseExceptionGroup as group:
        # Here several levels: task groups inside the tasks are nobody's business either.
        error = _sole(group)
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = _sole(error)
        raise error from error.__cause__


def _sole(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the only error in a group, or the group if there are several.

    On trio a group also holds the cancellation of whoever was cancelled in the moment of the
    error. Its scope is still cancelled, and says so at the next checkpoint.
    """
    cancelled = get_cancelled_exc_class()
    errors = [error for error in group.exceptions if not isinstance(error, cancelled)]
    return errors[0] if len(errors) == 1 else group
