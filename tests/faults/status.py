"""What a client says of its connection, while that is lost and comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import create_task_group, fail_after

from tests.faults.wires import NOTICE
from ycore import ClientWire, Status, StatusChanges

__all__ = ["StatusWatch", "checking_status", "watching_status"]

PATIENCE = 30.0

CONNECTING, CONNECTED, DISCONNECTED = Status.CONNECTING, Status.CONNECTED, Status.DISCONNECTED

NEXT = {
    CONNECTING: {CONNECTED, DISCONNECTED},
    CONNECTED: {DISCONNECTED},
    DISCONNECTED: {CONNECTING},
}
"""What may follow."""


@asynccontextmanager
async def watching_status(client: ClientWire) -> AsyncIterator[StatusWatch]:
    """Watch a client from a moment on when it is connected."""
    with fail_after(PATIENCE):
        await client.synchronized.wait()
    with client.status_changes() as changes:
        yield StatusWatch(client, changes)


class StatusWatch:
    """Waits for a client to be lost and to come back, and checks that it tells the truth."""

    def __init__(self, client: ClientWire, changes: StatusChanges) -> None:
        """Make a watch; see `watching_status`."""
        self._client = client
        self._changes = changes
        self._in_sync = self._out_of_sync = client.synchronized

    async def until_lost(self) -> None:
        """Wait until the client has noticed that it is not connected any more."""
        with fail_after(NOTICE):
            assert await self._changes.receive() is CONNECTED
            assert await self._changes.receive() is DISCONNECTED
        self._out_of_sync = self._client.synchronized
        assert self._out_of_sync is not self._in_sync
        assert self._in_sync.is_set()
        assert not self._out_of_sync.is_set()
        assert self._client.status is not CONNECTED

    async def until_an_attempt_fails(self) -> None:
        """Wait until the client, which is lost, has tried to come back in vain."""
        with fail_after(PATIENCE):
            assert await self._changes.receive() is CONNECTING
            assert await self._changes.receive() is DISCONNECTED

    async def until_back(self) -> None:
        """Wait until the client is connected again."""
        with fail_after(PATIENCE):
            await self._out_of_sync.wait()
            assert self._client.synchronized is self._out_of_sync
            assert self._client.status is CONNECTED
            told = [DISCONNECTED]
            while (status := await self._changes.receive()) is not CONNECTED:
                told.append(status)
        assert told == [DISCONNECTED, CONNECTING] * (len(told) // 2)


@asynccontextmanager
async def checking_status(client: ClientWire) -> AsyncIterator[None]:
    """Check for the duration of the block that each status may follow the one before it."""

    async def check() -> None:
        with client.status_changes() as changes:
            before = await changes.receive()
            async for status in changes:
                assert status in NEXT[before]
                before = status

    async with create_task_group() as tasks:
        tasks.start_soon(check)
        yield
        tasks.cancel_scope.cancel()
