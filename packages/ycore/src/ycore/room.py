"""A room: one document, its clients, the fan-out."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from time import monotonic
from typing import Any, Self

from anyio import (
    TASK_STATUS_IGNORED,
    AsyncContextManagerMixin,
    BrokenResourceError,
    ClosedResourceError,
    Event,
    move_on_after,
)
from anyio.abc import TaskGroup, TaskStatus
from pycrdt import Awareness, Doc

from .channel import Channel
from .codes import SERVICE_RESTART
from .errors import YWireError
from .member import Member
from .panics import translating_panics
from .presence import LocalState, Presence, encode_states
from .protocol import KEEPALIVE, encode_update
from .replica import Replica, Signal
from .tasks import background_tasks
from .throttle import Throttle

__all__ = ["Room"]

logger = logging.getLogger("ycore.room")

KEEPALIVE_INTERVAL = 20.0
"""A quiet room says something at least so often, in seconds: see `protocol.KEEPALIVE`."""

SHORTEST_RENEWAL, LONGEST_RENEWAL = 1.0, 15.0
"""Clients are made to renew their awareness states at most so often, in seconds: the more there
are the less often, since each tells all others. Yjs does it by itself after the longest."""

LULL = 0.001
"""So long after its last turn, in seconds, a room takes one as soon as an update arrives. What
comes sooner is collected."""

RENEWED_PER_SECOND = 20
"""So many clients per second are made to renew their states, on average, as long as the interval
is not the longest."""


class Room(AsyncContextManagerMixin):
    """One document that clients share, for as long as the context is open.

    Subclass it to load and save the document or to run tasks beside it: override `run`, start
    tasks in `task_group`, and call `super().run(...)`, which forwards changes until it is
    cancelled. Nothing is sent to a client before `run` has called `task_status.started()`.
    """

    # Private names have two underscores here: subclasses are other people's, with names of theirs.

    def __init__(self, id: str = "") -> None:  # noqa: A002
        """Make a room.

        Args:
            id: The room's id.
        """
        self.id = id
        """The room's id, the same on every wire."""
        self.doc: Doc[Any] = Doc()
        """The shared document; change it as you like, clients see every change."""
        self.awareness = Awareness(self.doc)
        """The clients' awareness states; the room has none of its own unless you set it."""
        self.awareness.set_local_state(None)
        self.__local_state = LocalState(self.awareness)
        self.__task_group: TaskGroup | None = None
        self.__members: set[Member] = set()
        self.__pressed: set[Member] = set()
        self.__signal = Signal()
        self.__is_running = False
        self.__last_turn = -math.inf
        self.__failure: Exception | None = None
        """Why the last turn of all has failed."""
        self.__changed_states: set[int] = set()
        self.__is_quiet = True
        self.__renewal = Throttle(self.__renew_states, self.__renewal_interval)

    @property
    def task_group(self) -> TaskGroup:
        """Where the room's tasks run; cancelled when the room closes.

        Raises:
            RuntimeError: The room is not open.
        """
        if self.__task_group is None:
            raise RuntimeError("the room is not open: use it as an async context manager")
        return self.__task_group

    @property
    def clients(self) -> Sequence[Channel]:
        """The channels of the clients that are in the room."""
        return [member.channel for member in self.__members]

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        self.__presence = Presence(self.awareness)
        self.__replica = Replica(
            self.doc, self.__signal, relay=True, on_received=self.__on_received
        )
        try:
            with self.__replica.observing(), self.__observing_awareness():
                async with background_tasks() as self.__task_group:
                    # Not by `start`: it waits although another task of the group has failed.
                    loading = _Loading()
                    self.__task_group.start_soon(self.__run_for_ever, loading)
                    await loading.done.wait()
                    yield self
        finally:
            self.__task_group = None
            for member in self.__members:
                member.end(SERVICE_RESTART, "the room has closed")

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Forward every change of the document to the clients, until cancelled.

        Args:
            task_status: Told when the room is loaded and clients can be served.

        Raises:
            DocumentError: pycrdt failed inside; the room ends.
        """
        task_status.started()
        self.__is_running = True
        try:
            while True:
                # One timer for many turns: it fires twice in the interval, however busy it is.
                with move_on_after(KEEPALIVE_INTERVAL / 2):
                    while True:
                        await self.__signal.wait()
                        self.__turn()
                self.__keep_alive()
        finally:
            self.__is_running = False

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        """Serve one client until it leaves or is refused, and close its channel.

        Args:
            client: The channel to the client.
            task_status: Told when the client is in the room.

        Raises:
            RuntimeError: The room is not open.
        """
        if self.__task_group is None:
            raise RuntimeError("the room is not open: use it as an async context manager")
        member = Member(
            client,
            self.__replica,
            self.awareness,
            self.__presence,
            on_pressure=self.__on_member_pressure,
            on_return=self.__on_member_return,
        )
        self.__members.add(member)
        logger.info("room %r: %s joined", self.id, client.peer)
        task_status.started()
        try:
            await member.run()
        finally:
            self.__members.discard(member)
            self.__on_member_pressure(member, False)
            self.__presence.leave(member)
            self.__log_departure(member)

    def forward(self) -> None:
        """Forward what has changed until now, without waiting for the next turn.

        A server does it before it ends, so that its clients lack nothing.

        Raises:
            DocumentError: pycrdt failed inside; the room ends.
        """
        if self.__task_group is not None:
            self.__turn()

    async def __run_for_ever(self, task_status: TaskStatus[None]) -> None:
        await self.run(task_status=task_status)
        raise RuntimeError(
            f"{type(self).__name__}.run returned: it must not while the room is open"
        )

    # One turn

    def __on_received(self) -> None:
        """Take a turn at once if there was none of late: a lone keystroke waits for nobody."""
        if not self.__is_running or monotonic() - self.__last_turn < LULL:
            self.__signal.set()
            return
        try:
            self.__turn()
        except Exception as exc:  # noqa: BLE001 - it is the room that fails, not who sent this
            self.__failure = exc
            self.__is_running = False
            self.__signal.set()

    def __turn(self) -> None:
        if self.__failure is not None:
            raise self.__failure
        with translating_panics():
            self.__replica.apply()
            self.__replica.run_deferred()
            self.__forward_change()
            self.__forward_awareness()
        # The lull begins here: where a turn itself takes long, what comes is to be collected.
        self.__last_turn = monotonic()

    def __keep_alive(self) -> None:
        state = self.awareness.get_local_state()
        if state is not None:
            # Clients take a state for gone that is not renewed within 30 s.
            self.awareness.set_local_state(state)
        if self.__is_quiet:
            for member in self.__members:
                member.tell(KEEPALIVE)
        self.__is_quiet = True

    def __forward_change(self) -> None:
        for change in self.__replica.take_changes():
            self.__is_quiet = False
            message = encode_update(change.update)
            for member in self.__members:
                member.tell_change(message, change)

    def __forward_awareness(self) -> None:
        if self.__changed_states:
            self.__is_quiet = False
            clients, self.__changed_states = list(self.__changed_states), set()
            for message in encode_states(self.awareness, clients):
                for member in self.__members:
                    member.tell_awareness(message, clients)
            self.__presence.forget_departed()

    # Awareness

    @contextmanager
    def __observing_awareness(self) -> Iterator[None]:
        subscription = self.awareness.observe(self.__on_awareness_event)
        try:
            yield
        finally:
            self.awareness.unobserve(subscription)

    def __on_awareness_event(self, topic: str, event: tuple[dict[str, Any], Any]) -> None:
        if topic == "update":
            if event[1] == "local":
                self.__local_state.check()
            self.__changed_states.update(*event[0].values())
            self.__signal.set()

    def __renew_states(self) -> None:
        """Have all clients tell their states anew: one has come back that knows their clocks."""
        for member in self.__members:
            member.have_renewed()

    def __on_member_return(self) -> None:
        if self.__task_group is not None:
            self.__renewal.request(self.__task_group)

    def __renewal_interval(self) -> float:
        interval = len(self.__members) / RENEWED_PER_SECOND
        return min(max(interval, SHORTEST_RENEWAL), LONGEST_RENEWAL)

    def __on_member_pressure(self, member: Member, pressed: bool) -> None:
        (self.__pressed.add if pressed else self.__pressed.discard)(member)
        self.__replica.track_states = bool(self.__pressed)

    def __log_departure(self, member: Member) -> None:
        peer, failure = member.channel.peer, member.failure
        match failure:
            case None:
                logger.info("room %r: %s left", self.id, peer)
            case BrokenResourceError() | ClosedResourceError():
                logger.info("room %r: %s left: the connection broke", self.id, peer)
            case YWireError() | TimeoutError():
                logger.warning(
                    "room %r: %s was dropped: %s", self.id, peer, str(failure) or "too slow"
                )
            case _:
                logger.error(
                    "room %r: %s was dropped for a fault of the server",
                    self.id,
                    peer,
                    exc_info=failure,
                )


class _Loading(TaskStatus[None]):
    """Whether a room is loaded."""

    def __init__(self) -> None:
        self.done = Event()

    def started(self, value: None = None) -> None:
        """Be told that it is."""
        self.done.set()
