"""Doing something not too often."""

from __future__ import annotations

import math
from collections.abc import Callable

from anyio import current_time, sleep_until
from anyio.abc import TaskGroup

__all__ = ["Throttle"]


class Throttle:
    """Does something at most once in an interval; requests that come too soon share the next."""

    __slots__ = ("_action", "_interval", "_is_waiting", "_next")

    def __init__(self, action: Callable[[], None], interval: Callable[[], float]) -> None:
        """Make a throttle.

        Args:
            action: What to do.
            interval: Returns the least time from now to the next time, in seconds.
        """
        self._action = action
        self._interval = interval
        self._next = -math.inf
        self._is_waiting = False

    def request(self, tasks: TaskGroup) -> None:
        """Do it now, or at the end of the interval.

        Args:
            tasks: Where to wait for the end of the interval.
        """
        if self._is_waiting:
            return
        if current_time() >= self._next:
            self._act()
        else:
            self._is_waiting = True
            tasks.start_soon(self._act_later)

    def _act(self) -> None:
        self._next = current_time() + self._interval()
        self._action()

    async def _act_later(self) -> None:
        await sleep_until(self._next)
        self._is_waiting = False
        self._act()
