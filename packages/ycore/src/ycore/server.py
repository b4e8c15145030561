"""The server side of a wire: what a wire author subclasses."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self, TypedDict, final

from anyio import AsyncContextManagerMixin, CancelScope, Event, move_on_after
from anyio.abc import TaskStatus

from .channel import Channel
from .errors import LimitReachedError, RoomLoadError
from .limits import Limits
from .room import Room
from .rooms import RoomFactory, Rooms
from .tasks import background_tasks

__all__ = ["ServerOptions", "ServerWire"]

logger = logging.getLogger("ycore.server")

GOING_AWAY, INTERNAL_ERROR = 1001, 1011


class ServerOptions(TypedDict, total=False):
    """The options that every server takes, whatever the wire."""

    room_factory: RoomFactory
    """Makes a room of an id; default `Room`."""

    rooms: Rooms | None
    """Rooms to serve that are open already, shared with other wires; instead of `room_factory`."""

    max_message_size: int
    """See `Limits`."""

    handshake_timeout: float
    """See `Limits`."""

    send_timeout: float
    """See `Limits`."""

    close_timeout: float
    """See `Limits`."""


class ServerWire(AsyncContextManagerMixin, ABC):
    """The server side of a wire: accepts connections and serves each in its room.

    A wire subclasses it, passes the options it does not know to this constructor, and writes
    `listen`. Use it as an async context manager; inside it is reachable.
    """

    # Private names have two underscores here: subclasses are other people's, with names of theirs.

    def __init__(
        self,
        *,
        room_factory: RoomFactory = Room,
        rooms: Rooms | None = None,
        max_message_size: int = Limits.max_message_size,
        handshake_timeout: float = Limits.handshake_timeout,
        send_timeout: float = Limits.send_timeout,
        close_timeout: float = Limits.close_timeout,
    ) -> None:
        """Take the options that every server takes; see `ServerOptions`.

        Raises:
            ValueError: Both `rooms` and a `room_factory` are given, or a bound makes no sense.
        """
        if rooms is not None and room_factory is not Room:
            raise ValueError("rooms have a room_factory already: give one of the two")
        self.limits = Limits(
            max_message_size=max_message_size,
            handshake_timeout=handshake_timeout,
            send_timeout=send_timeout,
            close_timeout=close_timeout,
        )
        self.__owns_rooms = rooms is None
        self.__rooms = Rooms(room_factory) if rooms is None else rooms
        self.__closing = False
        self.__connections: set[CancelScope] = set()
        self.__deserted = Event()

    @property
    def rooms(self) -> Rooms:
        """The rooms that this server serves."""
        return self.__rooms

    @property
    def address(self) -> str:
        """Where clients find the server, for people to read; known once the server is entered."""
        return type(self).__name__

    @abstractmethod
    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Accept connections until cancelled, and `await self.serve(channel)` for each.

        Each connection is served in a task of its own, beside the accepting.

        Args:
            task_status: Told once clients can connect.

        Raises:
            OSError: The address cannot be used; the message names it.
        """

    @final
    async def serve(self, channel: Channel) -> None:
        """Serve one connection in its room until it ends; the channel is closed then.

        Raises nothing but cancellation: one connection's fault is that connection's.

        Args:
            channel: The connection, whose `id` is the room's.
        """
        channel.limits = self.limits
        with CancelScope() as scope:
            self.__connections.add(scope)
            try:
                await self.__serve(channel)
            finally:
                self.__connections.discard(scope)
                if self.__closing and not self.__connections:
                    self.__deserted.set()

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        self.__closing = False
        self.__deserted = Event()
        async with self.__open_rooms(), background_tasks() as tasks:
            await tasks.start(self.__listen)
            try:
                yield self
            finally:
                await self.__end_connections()

    @asynccontextmanager
    async def __open_rooms(self) -> AsyncIterator[None]:
        if self.__owns_rooms:
            async with self.rooms:
                yield
        elif self.rooms.is_open:
            yield
        else:
            raise RuntimeError("the rooms are not open: use them as an async context manager")

    async def __listen(self, *, task_status: TaskStatus[None]) -> None:
        await self.listen(task_status=task_status)
        raise RuntimeError(f"{type(self).__name__}.listen returned: it must run until cancelled")

    async def __serve(self, channel: Channel) -> None:
        code, reason = GOING_AWAY, "the server is going away"
        try:
            if not self.__closing:
                async with self.rooms.join(channel.id) as room:
                    await room.serve(channel)
        except LimitReachedError as exc:
            logger.warning("%s was refused: %s", channel.peer, exc)
            code, reason = exc.code, str(exc)
        except RoomLoadError as exc:
            # The room has logged why.
            logger.warning("%s was refused: %s", channel.peer, exc)
            code, reason = exc.code, "the room could not be loaded"
        except Exception:
            logger.exception("%s was dropped for a fault of the server", channel.peer)
            code, reason = INTERNAL_ERROR, "internal error"
        finally:
            await self.__close(channel, code, reason)

    async def __close(self, channel: Channel, code: int, reason: str) -> None:
        """Make sure that a channel is closed, whatever a room did with it."""
        with move_on_after(2 * self.limits.close_timeout, shield=True):
            try:
                await channel.aclose(code, reason)
            except Exception:
                logger.exception("%s could not be closed", channel.peer)

    async def __end_connections(self) -> None:
        """Tell every client that the server goes, after what it still has to be sent."""
        self.__closing = True
        if not self.__connections:
            return
        for scope in self.__connections:
            scope.cancel()
        # Each connection ends within its own bound; this is for a wire that keeps none.
        with move_on_after(2 * self.limits.close_timeout + 1, shield=True):
            await self.__deserted.wait()
