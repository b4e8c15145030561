"""A task group for the inside of a context manager."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import create_task_group
from anyio.abc import TaskGroup

__all__ = ["background_tasks"]


@asynccontextmanager
async def background_tasks() -> AsyncIterator[TaskGroup]:
    """Run tasks beside a block: they are cancelled at its end, and their failure cancels it.

    A lone exception comes out as itself: whoever uses a context manager need not know that there
    is a task group inside.
    """
    try:
        async with create_task_group() as tasks:
            try:
                yield tasks
            finally:
                tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = group.exceptions[0] if len(group.exceptions) == 1 else group
        raise error from error.__cause__
