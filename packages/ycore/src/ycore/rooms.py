"""Rooms by their ids: each is loaded for its first client and unloaded some time after its last.

The life of a room: loading, open (while it has clients), lingering, closing, ended. Those who
come while it loads wait for the one load; those who come while it closes wait for a fresh room.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from anyio import AsyncContextManagerMixin, Event, move_on_after, sleep
from anyio.abc import TaskGroup

from .errors import DocumentError, LimitReachedError, ProtocolError, RoomLoadError
from .panics import is_panic, translating_panics
from .room import Room
from .tasks import background_tasks
from .updates import check_update

__all__ = ["RoomFactory", "Rooms"]

logger = logging.getLogger("ycore.room")

RoomFactory = Callable[[str], Room]

SALVAGE_SECONDS = 60.0
"""The content of a room that failed is kept so long for a fresh room of its id."""


class Rooms(AsyncContextManagerMixin):
    """Rooms by their ids, for one server or shared by several wires."""

    def __init__(
        self,
        room_factory: RoomFactory = Room,
        *,
        linger: float = 3.0,
        max_rooms: int = 100_000,
        max_clients: int = 10_000,
    ) -> None:
        """Make an empty set of rooms; it opens rooms inside its context only.

        Args:
            room_factory: Makes a room of an id: `Room`, a subclass, or a function.
            linger: How long a room stays open after its last client has left, in seconds.
            max_rooms: How many rooms may be open at a time.
            max_clients: How many clients may be in one room at a time.

        Raises:
            ValueError: A bound makes no sense.
        """
        if not linger >= 0 or max_rooms < 1 or max_clients < 1:
            raise ValueError("linger must not be negative; max_rooms and max_clients at least 1")
        self.linger = linger
        self.max_rooms = max_rooms
        self.max_clients = max_clients
        self._factory = room_factory
        self._lives: dict[str, _Life] = {}
        self._salvaged: dict[str, bytes] = {}
        self._tasks: TaskGroup | None = None

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        try:
            async with background_tasks() as self._tasks:
                yield self
        finally:
            self._tasks = None
            self._salvaged.clear()

    @property
    def is_open(self) -> bool:
        """Whether rooms can be opened: inside the context."""
        return self._tasks is not None

    def __iter__(self) -> Iterator[Room]:
        """Iterate over the rooms that are open."""
        return iter([life.room for life in self._lives.values() if life.is_open])

    def __len__(self) -> int:
        """Return how many rooms exist, those that are loading or closing included."""
        return len(self._lives)

    async def get(self, id: str) -> Room:  # noqa: A002
        """Return a room, opening it if needed.

        It closes `linger` seconds after its last client has left; use `join` to keep it open.

        Args:
            id: The room's id.

        Raises:
            RoomLoadError: The room could not be loaded.
            LimitReachedError: There are `max_rooms` rooms already.
            RuntimeError: The rooms are not open.
        """
        life = await self._enter(id)
        life.leave()
        return life.room

    @asynccontextmanager
    async def join(self, id: str) -> AsyncIterator[Room]:  # noqa: A002
        """Keep a room open for the duration of the block, as a client does.

        Args:
            id: The room's id.

        Raises:
            RoomLoadError: The room could not be loaded.
            LimitReachedError: There are `max_rooms` rooms, or `max_clients` in this one.
            RuntimeError: The rooms are not open.
        """
        life = await self._enter(id)
        try:
            if life.leases > self.max_clients:
                raise LimitReachedError(
                    f"room {id!r} is full: {self.max_clients} clients", limit="max_clients"
                )
            yield life.room
        finally:
            life.leave()

    async def _enter(self, id: str) -> _Life:  # noqa: A002
        """Keep a room open until `leave`, once it is loaded."""
        life = self._lives.get(id)
        while life is not None and life.is_closing:
            await life.ended.wait()
            life = self._lives.get(id)
        if life is None:
            life = self._begin(id)
        life.enter()
        try:
            if not life.loaded.is_set():
                await life.loaded.wait()
            if life.failure is not None:
                raise RoomLoadError(f"room {id!r} could not be loaded") from life.failure
        except BaseException:
            life.leave()
            raise
        return life

    def _begin(self, id: str) -> _Life:  # noqa: A002
        if self._tasks is None:
            raise RuntimeError("the rooms are not open: use them as an async context manager")
        if len(self._lives) >= self.max_rooms:
            raise LimitReachedError(f"there are {self.max_rooms} rooms already", limit="max_rooms")
        life = self._lives[id] = _Life(id)
        self._tasks.start_soon(self._live, life)
        return life

    async def _live(self, life: _Life) -> None:
        try:
            async with self._factory(life.id) as room:
                self._restore(room)
                life.open(room)
                try:
                    await life.until_deserted(self.linger)
                finally:
                    life.is_closing = True
        except BaseExceptionGroup as group:
            # A room that fails while it is cancelled, too.
            faults, others = group.split(_is_fault)
            if faults is not None:
                self._fail(life, faults)
            if others is not None:
                raise others from None
        except BaseException as exc:
            if not _is_fault(exc):
                raise
            self._fail(life, exc)
        finally:
            del self._lives[life.id]
            life.end()
        if life.id in self._salvaged:
            await self._drop_salvage(life.id)

    def _restore(self, room: Room) -> None:
        if room.id in self._salvaged:
            room.doc.apply_update(self._salvaged[room.id])
            del self._salvaged[room.id]

    def _fail(self, life: _Life, error: BaseException) -> None:
        logger.error("room %r failed", life.id, exc_info=error)
        life.failure = error
        if life.loaded.is_set():
            with suppress(DocumentError, ProtocolError), translating_panics():
                update = life.room.doc.get_update()
                check_update(update)
                self._salvaged[life.id] = update

    async def _drop_salvage(self, id: str) -> None:  # noqa: A002
        update = self._salvaged[id]
        await sleep(SALVAGE_SECONDS)
        if self._salvaged.get(id) is update:
            del self._salvaged[id]


def _is_fault(error: BaseException) -> bool:
    """Whether an error is a room's, and not the end of its task."""
    return isinstance(error, Exception) or is_panic(error)


class _Life:
    """One room from load to unload."""

    def __init__(self, id: str) -> None:  # noqa: A002
        self.id = id
        self.leases = 0
        self.is_closing = False
        self.failure: BaseException | None = None
        self.loaded = Event()
        """Set when the room is open, or has failed to load."""
        self.ended = Event()
        self._room: Room | None = None
        self._visited = Event()
        self._deserted = Event()

    @property
    def room(self) -> Room:
        assert self._room is not None, "asked for a room that is not loaded"
        return self._room

    @property
    def is_open(self) -> bool:
        return self._room is not None and not self.is_closing

    def open(self, room: Room) -> None:
        self._room = room
        self.loaded.set()

    def end(self) -> None:
        self.is_closing = True
        if not self.loaded.is_set():
            self.failure = self.failure or RuntimeError("the rooms were closed")
            self.loaded.set()
        self.ended.set()

    def enter(self) -> None:
        if not self.leases:
            self._deserted = Event()
        self.leases += 1
        self._visited.set()

    def leave(self) -> None:
        self.leases -= 1
        if not self.leases:
            self._visited = Event()
            self._deserted.set()

    async def until_deserted(self, linger: float) -> None:
        """Wait until nobody has held a lease for a time; from then on nobody gets one."""
        while True:
            await self._deserted.wait()
            with move_on_after(linger) as timer:
                await self._visited.wait()
            if timer.cancelled_caught and not self.leases:
                self.is_closing = True
                return
