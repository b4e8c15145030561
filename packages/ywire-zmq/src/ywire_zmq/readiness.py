"""Waiting for a zmq socket to have something to read, on any event loop.

libzmq signals through a file descriptor that is edge-triggered: it becomes readable once when
something arrives, and *every* use of the socket may take that edge away, sending too. So one task
reads until there is nothing more, then waits; and whoever sends says so afterwards (`sent`).
"""

from __future__ import annotations

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, cast

import zmq
from anyio import BusyResourceError, CancelScope, wait_readable
from anyio.lowlevel import current_token

__all__ = ["Readiness", "watching"]

Schedule = Callable[[Callable[[], None]], object]
"""Calls a function in the next turn of the event loop."""


class _TrioToken(Protocol):
    """What is used of trio, which need not be installed."""

    def run_sync_soon(self, function: Callable[[], None]) -> object: ...


class Readiness(ABC):
    """Tells one task when a zmq socket may have something to read."""

    def __init__(self, socket: zmq.Socket[bytes], schedule: Schedule) -> None:
        self._socket = socket
        self._schedule = schedule
        self._will_look = False

    async def wait(self) -> None:
        """Wait until there may be something to read, or until `ring`.

        Call it only after the socket had nothing to read, without awaiting in between.

        Raises:
            BusyResourceError: Another task waits already.
        """
        if self._waiting:
            raise BusyResourceError("reading from")
        await self._wait()

    def sent(self) -> None:
        """Look after something was sent whether that took the edge away.

        Looking costs as much as sending: it is done once for all that is sent in a turn.
        """
        if not self._will_look:
            self._will_look = True
            self._schedule(self._look)

    @abstractmethod
    def ring(self) -> None:
        """End the waiting of the task that waits, if one does."""

    @abstractmethod
    def close(self) -> None:
        """Leave the file descriptor alone."""

    @property
    @abstractmethod
    def _waiting(self) -> bool: ...

    @abstractmethod
    async def _wait(self) -> None: ...

    def _look(self) -> None:
        self._will_look = False
        # While somebody waits, the socket is open.
        if self._waiting and int(self._socket.get(zmq.EVENTS)) & zmq.POLLIN:
            self.ring()


@contextmanager
def watching(socket: zmq.Socket[bytes]) -> Iterator[Readiness]:
    """Watch a socket; nobody may wait for it any more when the block is left."""
    readiness = _watch(socket)
    try:
        yield readiness
    finally:
        readiness.close()


def _watch(socket: zmq.Socket[bytes]) -> Readiness:
    loop = current_token().native_token
    if not isinstance(loop, asyncio.AbstractEventLoop):
        return PolledReadiness(socket, cast(_TrioToken, loop).run_sync_soon)
    if sys.platform == "win32":
        # The usual event loop of Windows has no add_reader.
        return PolledReadiness(socket, loop.call_soon)
    return LoopReadiness(socket, loop)


class PolledReadiness(Readiness):
    """Readiness by what anyio offers on every event loop."""

    def __init__(self, socket: zmq.Socket[bytes], schedule: Schedule) -> None:
        super().__init__(socket, schedule)
        self._fd = int(socket.get(zmq.FD))
        self._scope: CancelScope | None = None

    def ring(self) -> None:
        """End the waiting of the task that waits, if one does."""
        if self._scope is not None:
            self._scope.cancel()

    def close(self) -> None:
        """Do nothing: without a task that waits nothing watches the file descriptor."""

    @property
    def _waiting(self) -> bool:
        return self._scope is not None

    async def _wait(self) -> None:
        try:
            with CancelScope() as self._scope:
                await wait_readable(self._fd)
        finally:
            self._scope = None


class LoopReadiness(Readiness):
    """Readiness by a reader that stays with an asyncio loop, at a third of the cost."""

    def __init__(self, socket: zmq.Socket[bytes], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(socket, loop.call_soon)
        self._fd = int(socket.get(zmq.FD))
        self._loop = loop
        self._has_reader = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """End the waiting of the task that waits, if one does."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Leave the file descriptor alone."""
        if self._has_reader:
            self._loop.remove_reader(self._fd)
            self._has_reader = False

    @property
    def _waiting(self) -> bool:
        return self._waiter is not None

    async def _wait(self) -> None:
        if not self._has_reader:
            self._loop.add_reader(self._fd, self._on_readable)
            self._has_reader = True
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _on_readable(self) -> None:
        if self._waiter is None:
            # The loop would call again and again until somebody reads.
            self.close()
        else:
            self.ring()
