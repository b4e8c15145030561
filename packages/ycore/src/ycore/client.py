"""The client side of a wire: what a wire author subclasses."""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from enum import StrEnum
from functools import partial
from random import uniform
from typing import Any, Self, TypedDict

from anyio import (
    AsyncContextManagerMixin,
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Event,
    current_time,
    move_on_after,
    sleep,
    sleep_forever,
)
from pycrdt import Awareness, Doc

from .channel import Channel
from .errors import (
    ConnectError,
    ConnectionRejectedError,
    ConnectTimeoutError,
    MessageTooLargeError,
    ProtocolError,
    UnsentEditsError,
)
from .limits import Limits
from .presence import LocalState
from .replica import Replica, Signal
from .tasks import background_tasks
from .uplink import Uplink

__all__ = ["ClientOptions", "ClientWire", "Status"]

logger = logging.getLogger("ycore.client")

INVALID_DATA, MESSAGE_TOO_BIG = 1007, 1009

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Before the first attempt to come back, and at most before any, in seconds."""


class Status(StrEnum):
    """How a client stands to its server."""

    CONNECTING = "connecting"
    """It is connecting, or has connected and compares its document with the server's."""

    CONNECTED = "connected"
    """It is connected and has compared its document with the server's."""

    DISCONNECTED = "disconnected"
    """It is not connected; it will try again, unless it has been left."""


class ClientOptions(TypedDict, total=False):
    """The options that every client takes, whatever the wire."""

    id: str
    """The room's id; default the empty one."""

    doc: Doc[Any] | None
    """The document to share; default a new one. Other clients may use it too."""

    reconnect: bool
    """Whether to come back when the connection is lost; default True."""

    connect_timeout: float
    """How long connecting and the first sync may take, in seconds; default 10."""

    auto_push: bool
    """Whether local changes are sent as they are made, or by `push()`; default True."""

    auto_pull: bool
    """Whether remote changes are applied as they arrive, or by `pull()`; default True."""

    max_message_size: int
    """See `Limits`."""

    send_timeout: float
    """See `Limits`."""

    close_timeout: float
    """How long leaving may take, with the edits that are still to be sent; see `Limits`."""


class ClientWire(AsyncContextManagerMixin, ABC):
    """The client side of a wire: keeps a document in sync with a room of a server.

    A wire subclasses it, passes the options it does not know to this constructor, and writes
    `open` and `address`. Use it as an async context manager: entering connects and returns with the
    room's content in `doc`; leaving sends what is still unsent.
    """

    # Private names have two underscores here: subclasses are other people's, with names of theirs.

    def __init__(
        self,
        *,
        id: str = "",  # noqa: A002
        doc: Doc[Any] | None = None,
        reconnect: bool = True,
        connect_timeout: float = 10.0,
        auto_push: bool = True,
        auto_pull: bool = True,
        max_message_size: int = Limits.max_message_size,
        send_timeout: float = Limits.send_timeout,
        close_timeout: float = Limits.close_timeout,
    ) -> None:
        """Take the options that every client takes; see `ClientOptions`.

        Raises:
            ValueError: A bound makes no sense.
        """
        if not connect_timeout > 0:
            raise ValueError(f"connect_timeout must be positive, not {connect_timeout!r}")
        self.id = id
        """The room's id."""
        self.doc: Doc[Any] = Doc() if doc is None else doc
        """The shared document."""
        self.awareness = Awareness(self.doc)
        self.__local_state = LocalState(self.awareness)
        """Who else is in the room; set the local state to be seen."""
        self.limits = Limits(
            max_message_size=max_message_size,
            handshake_timeout=connect_timeout,
            send_timeout=send_timeout,
            close_timeout=close_timeout,
        )
        self.connect_timeout = connect_timeout
        self.reconnect = reconnect
        self.auto_push = auto_push
        self.auto_pull = auto_pull
        self.__signal = Signal()
        self.__local = Replica(self.doc, self.__signal, relay=False)
        # Without auto_pull, what arrives waits in a document of its own: bounded, and one update.
        self.__remote = self.__local if auto_pull else Replica(Doc(), self.__signal, relay=False)
        self.__status = Status.DISCONNECTED
        self.__synchronized = Event()
        self.__uplink: Uplink | None = None
        self.__online = Event()
        self.__connecting: CancelScope | None = None
        self.__entered = self.__left = False
        self.__was_online = False
        self.__push_wanted = False
        self.__state_changed = False
        # Edits are counted by the messages that carried them.
        self.__sent = self.__arrived = 0

    @property
    @abstractmethod
    def address(self) -> str:
        """Where the server is, for errors and log lines."""

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Channel]:
        """Open a new connection to the server.

        Called anew for every attempt; the time it may take is bounded by the caller, who cancels.

        Returns:
            A context manager: entering connects and gives a channel that is ready, leaving gives
            everything back at once.

        Raises:
            OSError: The server cannot be reached.
            ConnectionRejectedError: The server refuses this client for good.
        """

    @property
    def status(self) -> Status:
        """How the client stands to its server now."""
        return self.__status

    @property
    def synchronized(self) -> Event:
        """An event that is set while the document is in sync with the server's.

        Each disconnection brings a fresh event, so read it anew each time.
        """
        return self.__synchronized

    async def flush(self) -> None:
        """Wait until the server has applied all that was edited (or pushed) before.

        While the client is disconnected this waits for the connection to come back: bound it with
        a cancel scope of your own.

        Raises:
            ClosedResourceError: The client is not connected and will not be again.
        """
        if not self.__entered or self.__left:
            raise ClosedResourceError
        while self.__has_unsent:
            await self.__online.wait()
            if self.__left:
                raise ClosedResourceError
            uplink = self.__uplink
            assert uplink is not None, "online without a connection"
            if self.__may_push:
                uplink.push(unasked=True)
            sent = self.__sent
            if await uplink.round_trip():
                self.__on_arrival(sent)
            elif self.__uplink is uplink:
                self.__go_offline()

    def push(self) -> None:
        """Send the local changes now, or as soon as there is a connection."""
        self.__push_wanted = True
        self.__push()

    def pull(self) -> None:
        """Apply what has arrived."""
        if self.__remote is not self.__local:
            self.__local.merge(self.__remote)
        if self.__online.is_set():
            self.__synchronized.set()

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        if self.__entered:
            raise RuntimeError("a client is used once: make another one")
        self.__entered = True
        if self.auto_push and not self.__local.is_empty:
            # What the document brings is unsent like an edit.
            self.__sent += 1
        with self.__observing():
            async with background_tasks() as tasks:
                tasks.start_soon(self.__take_turns)
                tasks.start_soon(self.__stay_connected)
                await tasks.start(self.awareness.start)
                await self.__online.wait()
                if self.__left:
                    # It could not connect: the error comes out of its task, which cancels this one.
                    await sleep_forever()
                try:
                    yield self
                except BaseException:
                    await self.__leave_after_a_failure()
                    raise
                await self.__leave()

    @contextmanager
    def __observing(self) -> Iterator[None]:
        subscription = self.awareness.observe(self.__on_awareness_event)
        try:
            with ExitStack() as observing:
                for replica in {self.__local, self.__remote}:
                    observing.enter_context(replica.observing())
                yield
        finally:
            self.awareness.unobserve(subscription)

    # Staying connected

    async def __stay_connected(self) -> None:
        attempt = -1
        try:
            while True:
                began = current_time()
                lost = await self.__connect()
                if not (self.__was_online and self.reconnect):
                    raise lost
                logger.warning("%s; trying again", lost)
                # Who is dropped at once each time does not come back all the time.
                lived = current_time() - began
                attempt = 0 if lived > LONGEST_DELAY else attempt + 1
                self.__go_offline()
                await sleep(_delay(attempt))
        finally:
            self.__left = True
            self.__go_offline()
            self.__online.set()

    async def __connect(self) -> ConnectError:
        """Connect and stay connected; return why it ended, if trying again may help.

        Raises:
            ConnectionRejectedError: The server refuses this client for good.
            MessageTooLargeError: This side or the server has a message over the limit.
        """
        self.__status = Status.CONNECTING
        self.__connecting = CancelScope(deadline=current_time() + self.connect_timeout)
        uplink: Uplink | None = None
        try:
            with self.__connecting as connecting:
                async with self.open() as channel:
                    uplink = self.__uplink = self.__make_uplink(channel)
                    await uplink.run()
        except ConnectionRejectedError:
            raise
        except _CONNECTION_ERRORS as exc:
            return _caused(ConnectError(f"cannot reach {self.address}: {_describe(exc)}"), exc)
        if uplink is None or connecting.cancelled_caught:
            return ConnectTimeoutError(
                f"{self.address} did not answer within {self.connect_timeout} s"
            )
        return self.__why_lost(uplink)

    def __make_uplink(self, channel: Channel) -> Uplink:
        channel.limits = self.limits
        return Uplink(
            channel,
            self.__local,
            self.__remote,
            self.awareness,
            on_push=self.__on_push,
            on_synchronized=self.__go_online,
        )

    def __why_lost(self, uplink: Uplink) -> ConnectError:
        code, reason = uplink.channel.close_code, uplink.channel.close_reason
        if code is not None and _is_permanent(code):
            raise ConnectionRejectedError(code, reason, self.address)
        match uplink.failure:
            case None:
                said = f": {code} {reason}".rstrip() if code is not None else ""
                return ConnectError(f"{self.address} closed the connection{said}")
            case MessageTooLargeError() as error:
                raise error
            case (
                ProtocolError()
                | TimeoutError()
                | ClosedResourceError()
                | BrokenResourceError() as e
            ):
                return _caused(ConnectError(f"{self.address} was lost: {_describe(e)}"), e)
            case error:
                raise error

    def __go_online(self) -> None:
        assert self.__connecting is not None
        self.__connecting.deadline = math.inf
        self.__was_online = True
        self.__status = Status.CONNECTED
        self.__online.set()
        if self.auto_pull:
            self.__synchronized.set()
        logger.info("%s: connected to room %r", self.address, self.id)

    def __go_offline(self) -> None:
        self.__uplink = None
        self.__status = Status.DISCONNECTED
        if self.__sent != self.__arrived:
            # What was pushed but may not have arrived is pushed again.
            self.__push_wanted = True
        # Whoever waits already goes on waiting.
        if self.__online.is_set():
            self.__online = Event()
        if self.__synchronized.is_set():
            self.__synchronized = Event()
        others = [client for client in self.awareness.states if client != self.awareness.client_id]
        self.awareness.remove_awareness_states(others, "disconnected")
        # The server tells them anew, and with the clocks that were known already.
        for client in others:
            del self.awareness.meta[client]

    # Turns

    async def __take_turns(self) -> None:
        while True:
            await self.__signal.wait()
            if self.__remote.apply() and not self.auto_pull and self.__synchronized.is_set():
                self.__synchronized = Event()
            self.__remote.run_deferred()
            self.__push()
            if self.__state_changed and self.__uplink is not None:
                self.__state_changed = False
                self.__uplink.announce()

    def __push(self) -> None:
        if self.__uplink is not None and self.__may_push:
            self.__uplink.push()
            if self.__uplink.has_answered:
                self.__push_wanted = False

    def __on_push(self, *, again: bool) -> None:
        self.__sent += 1
        if again and self.__uplink is not None:
            # Nobody has edited and so nobody flushes: find out by ourselves that it has arrived.
            self.__uplink.confirm(partial(self.__on_arrival, self.__sent))

    def __on_arrival(self, sent: int) -> None:
        self.__arrived = max(self.__arrived, sent)

    @property
    def __has_unsent(self) -> bool:
        if self.__sent != self.__arrived:
            return True
        return self.__may_push and (self.__local.has_change or self.__is_unasked)

    @property
    def __may_push(self) -> bool:
        return self.auto_push or self.__push_wanted

    @property
    def __is_unasked(self) -> bool:
        """Whether the server has not said yet which part of the document it lacks."""
        uplink = self.__uplink
        return uplink is not None and not uplink.has_answered and not self.__local.is_empty

    def __on_awareness_event(self, topic: str, event: tuple[dict[str, Any], Any]) -> None:
        if topic == "update" and event[1] == "local":
            self.__local_state.check()
            self.__state_changed = True
            self.__signal.set()

    # Leaving

    async def __leave(self) -> None:
        """Send what is unsent.

        Raises:
            UnsentEditsError: It did not arrive in time.
        """
        if not self.__has_unsent:
            return
        with move_on_after(self.limits.close_timeout, shield=True):
            with suppress(ClosedResourceError):
                await self.flush()
        if self.__has_unsent:
            raise UnsentEditsError(
                f"the last edits of room {self.id!r} did not arrive at {self.address}"
            )

    async def __leave_after_a_failure(self) -> None:
        try:
            await self.__leave()
        except UnsentEditsError as exc:
            logger.warning("%s", exc)


_CONNECTION_ERRORS = (OSError, EndOfStream, BrokenResourceError, ClosedResourceError, ProtocolError)


def _is_permanent(code: int) -> bool:
    """Whether a close code means that trying again would not help."""
    return 4400 <= code <= 4499 or code in (INVALID_DATA, MESSAGE_TOO_BIG)


def _delay(attempt: int) -> float:
    """Return how long to wait, with full jitter: a thousand clients do not come back at once."""
    return uniform(0, min(FIRST_DELAY * 2 ** min(attempt, 16), LONGEST_DELAY))


def _describe(error: Exception) -> str:
    return str(error) or type(error).__name__


def _caused(error: ConnectError, cause: Exception) -> ConnectError:
    error.__cause__ = cause
    return error
