"""Many clients at once: how they join, and how they wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

from benchmarks.load.client import Client
from benchmarks.load.processes import Group
from ycore.protocol import encode_step1, encode_step2

__all__ = [
    "EMPTY",
    "PATIENCE",
    "Crowd",
    "Line",
    "Target",
    "gathering",
    "wait_for",
    "wait_for_silence",
]

PATIENCE = 5.0
"""Clients that all received nothing for so long, in seconds, wait no more."""

EMPTY = encode_step2(b"\x00\x00")
"""What a server that keeps documents tells who joins an empty one."""

_ANSWER_PATIENCE = 0.5
_TOGETHER = 64
_STATE_OF_NOTHING = b"\x00"


class Line(Protocol):
    """A way to a server."""

    async def connect(self, name: str, room: str, *, buffer_size: int = 0) -> Client:
        """Connect a client.

        Args:
            name: What to call it.
            room: The room.
            buffer_size: How much the system takes for it before it reads, in bytes, if that can be
                chosen; by default as much as the system likes.

        Raises:
            OSError: The server cannot be reached, or refuses the client.
        """


@dataclass(frozen=True)
class Target:
    """A running server."""

    line: Line
    server: Group


class Crowd:
    """The clients of one run."""

    def __init__(self, line: Line) -> None:
        self.clients: list[Client] = []
        self._line = line
        self._window = asyncio.Semaphore(_TOGETHER)

    async def join(self, names: Iterable[tuple[str, str]]) -> list[Client]:
        """Connect clients, many at a time, and wait until the server has answered each.

        A server that keeps no documents answers nobody; it gets a moment.

        Args:
            names: For each the name and the room, of which nobody has written to yet.
        """
        clients = await asyncio.gather(*(self._join(name, room) for name, room in names))
        await wait_for(zip(clients, repeat(EMPTY)), patience=_ANSWER_PATIENCE)
        return clients

    async def connect(self, name: str, room: str, *, buffer_size: int = 0) -> Client:
        """Connect a client, which asks for the document and waits for nothing; see `Line`."""
        client = await self._line.connect(name, room, buffer_size=buffer_size)
        self.clients.append(client)
        for message in (encode_step1(_STATE_OF_NOTHING), EMPTY):
            client.send(client.frame(message))
        return client

    async def _join(self, name: str, room: str) -> Client:
        async with self._window:
            return await self.connect(name, room)


@asynccontextmanager
async def gathering(target: Target) -> AsyncIterator[Crowd]:
    """Make a crowd, and send it home afterwards."""
    crowd = Crowd(target.line)
    try:
        yield crowd
    finally:
        for client in crowd.clients:
            await client.leave()


async def wait_for(
    expected: Iterable[tuple[Client, bytes]], *, patience: float | None = None
) -> list[float] | None:
    """Wait until clients have received a marker each, or none of them receives anything any more.

    Args:
        expected: The clients, with a marker for each.
        patience: How long they may all receive nothing, in seconds; by default `PATIENCE`.

    Returns:
        When each one received it, or None if not all did.
    """
    pairs = list(expected)
    clients = [client for client, _ in pairs]
    found = [client.expect(marker) for client, marker in pairs]
    pending = set(found)
    while pending:
        known = _received(clients)
        _, pending = await asyncio.wait(pending, timeout=patience or PATIENCE)
        if pending and _received(clients) == known:
            return None
    return [future.result() for future in found]


async def wait_for_silence(clients: Sequence[Client], seconds: float) -> None:
    """Wait until no client has received anything for so long."""
    known = -1
    # There is nothing to wait for: it is what does not happen that counts.
    while known != (known := _received(clients)):  # noqa: ASYNC110
        await asyncio.sleep(seconds)


def _received(clients: Sequence[Client]) -> int:
    return sum(len(client.received) for client in clients)
