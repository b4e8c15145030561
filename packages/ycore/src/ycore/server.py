"""The server side of a wire: what a wire author subclasses."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Self, TypedDict, final

from anyio import (
    AsyncContextManagerMixin,
    BrokenResourceError,
    CancelScope,
    CapacityLimiter,
    ClosedResourceError,
    Event,
    create_task_group,
    move_on_after,
)
from anyio.abc import TaskStatus

from .access import AccessRequest, Authorize
from .admission import Admission, Doorkeeper
from .channel import Channel
from .codes import GOING_AWAY, INTERNAL_ERROR, shorten
from .errors import AccessDeniedError, MessageTooLargeError, ProtocolError, RefusedError
from .limits import Limits
from .room import Room
from .rooms import RoomFactory, Rooms
from .stats import ServerStats, Traffic
from .tasks import background_tasks

__all__ = ["ServerOptions", "ServerWire"]

logger = logging.getLogger("ycore.server")
room_logger = logging.getLogger("ycore.room")

REVIEWS = 100
"""So many connections are reviewed at a time."""


class ServerOptions(TypedDict, total=False):
    """The options that every server takes, whatever the wire."""

    room_factory: RoomFactory
    """Makes a room of an id; default `Room`."""

    rooms: Rooms | None
    """Rooms to serve that are open already, shared with other wires; instead of `room_factory`."""

    authorize: Authorize | None
    """Decides what a client may do, before its room is loaded; default: everything."""

    max_connections: int
    """How many clients may be connected at a time, in all rooms; default 50,000."""

    max_clients: int | None
    """See `Rooms`."""

    max_rooms: int | None
    """See `Rooms`."""

    linger: float | None
    """See `Rooms`."""

    max_message_size: int
    """See `Limits`."""

    max_waiting_size: int
    """See `Limits`."""

    max_awareness_size: int
    """See `Limits`."""

    handshake_timeout: float
    """See `Limits`; `authorize` may take as long."""

    send_timeout: float
    """See `Limits`."""

    close_timeout: float
    """See `Limits`."""


class ServerWire(AsyncContextManagerMixin, ABC):
    """The server side of a wire: accepts connections and serves each in its room.

    A wire subclasses it, passes the options it does not know to this constructor, and writes
    `listen`. Use it as an async context manager; inside it is reachable.
    """

    wire: ClassVar[str] = ""
    """The name of the wire, for `authorize`; a wire sets it."""

    # Private names have two underscores here: subclasses are other people's, with names of theirs.

    def __init__(
        self,
        *,
        room_factory: RoomFactory = Room,
        rooms: Rooms | None = None,
        authorize: Authorize | None = None,
        max_connections: int = 50_000,
        max_clients: int | None = None,
        max_rooms: int | None = None,
        linger: float | None = None,
        max_message_size: int = Limits.max_message_size,
        max_waiting_size: int = Limits.max_waiting_size,
        max_awareness_size: int = Limits.max_awareness_size,
        handshake_timeout: float = Limits.handshake_timeout,
        send_timeout: float = Limits.send_timeout,
        close_timeout: float = Limits.close_timeout,
    ) -> None:
        """Take the options that every server takes; see `ServerOptions`.

        Raises:
            ValueError: Both `rooms` and what they are made of are given, or a bound makes no sense.
        """
        if not max_connections >= 1:
            raise ValueError(f"max_connections must be at least 1, not {max_connections!r}")
        self.limits = Limits(
            max_message_size=max_message_size,
            max_waiting_size=max_waiting_size,
            max_awareness_size=max_awareness_size,
            handshake_timeout=handshake_timeout,
            send_timeout=send_timeout,
            close_timeout=close_timeout,
        )
        self.max_connections = max_connections
        self.__owns_rooms = rooms is None
        self.__rooms = _choose_rooms(
            rooms, room_factory, max_clients=max_clients, max_rooms=max_rooms, linger=linger
        )
        self.__door = Doorkeeper(
            self.check, authorize, max_connections=max_connections, patience=handshake_timeout
        )
        self.__connections: dict[Channel, CancelScope] = {}
        self.__deserted = Event()
        self.__entered = 0
        self.__traffic = Traffic()
        self.__drops: Counter[str] = Counter()

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

    def check(self, request: AccessRequest) -> None:
        """Make sure that nothing speaks against a client which the wire knows of.

        A wire may override it; it is called before `authorize`.

        Args:
            request: What the client wants.

        Raises:
            AccessDeniedError: The client may not enter.
        """

    @final
    @asynccontextmanager
    async def admit(self, request: AccessRequest) -> AsyncIterator[Admission]:
        """Let a client in for the duration of the block, in which it is served.

        For a wire that can refuse a client before there is a channel. For others `serve` does it.

        Args:
            request: What the client wants.

        Returns:
            A context manager that gives what to pass to `serve`.

        Raises:
            RefusedError: The client is not let in; its `code` says why. It is counted and logged.
        """
        try:
            admission = await self.__door.admit(request)
        except RefusedError as exc:
            self.note_refusal(request.peer, exc)
            raise
        try:
            yield admission
        finally:
            self.__door.dismiss(admission)

    @final
    def note_refusal(self, peer: str, error: RefusedError) -> None:
        """Count and log that a client was not let in; for a wire that did not ask `admit`.

        Args:
            peer: The address of the client.
            error: Why.
        """
        self.__door.note_refusal(peer, error)

    @final
    async def serve(self, channel: Channel, admission: Admission | None = None) -> None:
        """Serve one connection in its room until it ends; the channel is closed then.

        Raises nothing but cancellation: one connection's fault is that connection's.

        Args:
            channel: The connection, whose `id` is the room's.
            admission: What `admit` gave, if the wire has called it.
        """
        channel.limits = self.limits
        with CancelScope() as scope:
            self.__connections[channel] = scope
            try:
                await self.__serve(channel, admission)
            finally:
                self.__forget(channel)

    @final
    async def reauthorize(self, matching: Callable[[AccessRequest], bool] | None = None) -> None:
        """Ask `authorize` again for clients that are connected, and apply what it says.

        Who may do nothing any more is turned away; who may only read is told so with its next
        change; who may write now is asked for its changes. If `authorize` fails the client is
        turned away for now: when it comes back, `authorize` is asked again. So is a decision that
        is under way.

        Args:
            matching: Which ones, by what they asked for; default all.
        """
        limiter = CapacityLimiter(REVIEWS)
        async with create_task_group() as tasks:
            for admission in list(self.__door.admissions):
                if matching is None or matching(admission.request):
                    tasks.start_soon(self.__review, admission, limiter)

    @final
    def stats(self) -> ServerStats:
        """Return what an operator wants to know, in numbers."""
        traffic = Traffic()
        traffic.add(self.__traffic)
        for channel in self.__connections:
            traffic.add(channel.traffic)
        return ServerStats(
            rooms=len(self.rooms),
            clients=len(self.__connections),
            clients_behind=sum(channel.is_behind for channel in self.__connections),
            connections=self.__entered,
            messages_received=traffic.messages_received,
            bytes_received=traffic.bytes_received,
            messages_sent=traffic.messages_sent,
            bytes_sent=traffic.bytes_sent,
            refusals=dict(self.__door.refusals),
            drops=dict(self.__drops),
        )

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        self.__deserted = Event()
        self.__door.open()
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

    async def __serve(self, channel: Channel, admission: Admission | None) -> None:
        code, reason = GOING_AWAY, "the server is going away"
        try:
            if admission is None:
                await self.__admit_and_serve(channel)
            else:
                await self.__serve_in_room(channel, admission)
        except RefusedError as exc:
            self.note_refusal(channel.peer, exc)
            code, reason = exc.code, str(exc)
        except Exception:
            logger.exception("%s was dropped for a fault of the server", channel.peer)
            code, reason = INTERNAL_ERROR, "internal error"
            # An OSError of a room's own code is no loss of the connection.
            channel.failure = channel.failure or RuntimeError(reason)
        finally:
            await self.__close(channel, code, reason)

    async def __admit_and_serve(self, channel: Channel) -> None:
        """Let a connection in, or not, and serve it in its room.

        Raises:
            RefusedError: It is not let in.
        """
        admission = await self.__door.admit(_request_of(channel, self.wire))
        try:
            await self.__serve_in_room(channel, admission)
        finally:
            self.__door.dismiss(admission)

    async def __serve_in_room(self, channel: Channel, admission: Admission) -> None:
        """Serve a connection in its room.

        Raises:
            RefusedError: It is not let in.
        """
        self.__door.check_open()
        admission.check()
        admission.apply_to(channel)
        async with self.rooms.join(admission.request.room) as room:
            if channel.refusal is not None:
                raise channel.refusal
            self.__entered += 1
            await room.serve(channel)

    async def __review(self, admission: Admission, limiter: CapacityLimiter) -> None:
        async with limiter:
            await admission.decide(self.__door.ask)

    def __forget(self, channel: Channel) -> None:
        del self.__connections[channel]
        self.__traffic.add(channel.traffic)
        if channel.failure is not None:
            self.__drops[_kind_of(channel.failure)] += 1
        if not (self.__door.is_open or self.__connections):
            self.__deserted.set()

    async def __close(self, channel: Channel, code: int, reason: str) -> None:
        """Make sure that a channel is closed, whatever a room did with it."""
        with move_on_after(2 * self.limits.close_timeout, shield=True):
            try:
                await channel.aclose(code, shorten(reason))
            except Exception:
                logger.exception("%s could not be closed", channel.peer)

    async def __end_connections(self) -> None:
        """Tell every client that the server goes, after what it still has to be sent."""
        self.__door.close()
        if not self.__connections:
            return
        for room in self.rooms:
            try:
                room.forward()
            except Exception:
                # It is that room's fault, and no reason not to tell the others.
                room_logger.exception("room %r failed", room.id)
        for scope in self.__connections.values():
            scope.cancel()
        # Each connection ends within its own bound; this is for a wire that keeps none.
        with move_on_after(2 * self.limits.close_timeout + 1, shield=True):
            await self.__deserted.wait()


def _choose_rooms(rooms: Rooms | None, factory: RoomFactory, **options: Any) -> Rooms:
    given = {name: value for name, value in options.items() if value is not None}
    if rooms is None:
        return Rooms(factory, **given)
    if factory is not Room or given:
        raise ValueError(
            "rooms have a room_factory and limits of their own already: give one of the two"
        )
    return rooms


def _request_of(channel: Channel, wire: str) -> AccessRequest:
    return AccessRequest(
        room=channel.id, wire=wire, peer=channel.peer, credentials=channel.credentials
    )


def _kind_of(failure: Exception) -> str:
    """Return under what a failure that ended a connection is counted."""
    match failure:
        case AccessDeniedError():
            # Somebody who was inside.
            return "access withdrawn"
        case RefusedError() as error:
            return error.kind
        case MessageTooLargeError():
            return "message too large"
        case ProtocolError():
            return "protocol error"
        case TimeoutError():
            return "too slow"
        case OSError() | BrokenResourceError() | ClosedResourceError():
            return "connection lost"
        case _:
            return "fault of the server"
