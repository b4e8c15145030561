"""How a client stands to its server, and who is told when that changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from anyio import ClosedResourceError, EndOfStream, Event
from anyio.abc import ObjectReceiveStream
from anyio.lowlevel import checkpoint

__all__ = ["Status", "StatusBoard", "StatusChanges"]

KEPT = 16
"""So many changes wait for who does not receive them; then the oldest ones are forgotten."""


class Status(StrEnum):
    """How a client stands to its server."""

    CONNECTING = "connecting"
    """It is connecting, or has connected and compares its document with the server's."""

    CONNECTED = "connected"
    """It is connected and has compared its document with the server's."""

    DISCONNECTED = "disconnected"
    """It is not connected; it will try again, unless it has been left."""


class StatusChanges(ObjectReceiveStream[Status]):
    """Receives what the status is now, then each change, until the client is left.

    Who receives too slowly misses some that lie in between, never the last one.
    """

    def __init__(self, current: Status) -> None:
        self._waiting = deque([current], maxlen=KEPT)
        self._arrival = Event()
        self._has_ended = self._is_closed = False

    async def receive(self) -> Status:
        """Wait for the next change.

        Raises:
            EndOfStream: The client has been left.
            ClosedResourceError: The stream has been closed.
        """
        await checkpoint()
        while not self._waiting or self._is_closed:
            if self._is_closed:
                raise ClosedResourceError
            if self._has_ended:
                raise EndOfStream
            if self._arrival.is_set():
                self._arrival = Event()
            await self._arrival.wait()
        return self._waiting.popleft()

    async def aclose(self) -> None:
        """Receive nothing more."""
        self._is_closed = True
        self._arrival.set()
        await checkpoint()

    def put(self, status: Status) -> None:
        """Tell a change."""
        self._waiting.append(status)
        self._arrival.set()

    def end(self) -> None:
        """Tell that there will be no more."""
        self._has_ended = True
        self._arrival.set()


class StatusBoard:
    """Where a client's status is kept."""

    def __init__(self) -> None:
        self._status = Status.DISCONNECTED
        self._watchers: set[StatusChanges] = set()
        self._has_ended = False

    @property
    def status(self) -> Status:
        """The status now."""
        return self._status

    def post(self, status: Status) -> None:
        """Change the status, and tell who watches."""
        if status is not self._status:
            self._status = status
            for watcher in self._watchers:
                watcher.put(status)

    def end(self) -> None:
        """Tell who watches that the status will not change any more."""
        self._has_ended = True
        for watcher in self._watchers:
            watcher.end()

    @contextmanager
    def watch(self) -> Iterator[StatusChanges]:
        """Watch the status for the duration of the block."""
        watcher = StatusChanges(self._status)
        if self._has_ended:
            watcher.end()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
