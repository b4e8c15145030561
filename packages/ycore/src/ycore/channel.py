"""One message stream between a client and a room: all that ycore knows of a transport."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, final

from anyio import EndOfStream

from .access import Access, Credentials
from .errors import AccessDeniedError, RefusedError
from .limits import Limits
from .stats import Traffic

__all__ = ["Channel"]

DEFAULT_LIMITS = Limits()
NO_CREDENTIALS = Credentials()


class Channel(ABC):
    """A connection that carries whole messages, in order, in both directions.

    A wire subclasses it and writes `send`, `receive` and `aclose`; `send_nowait` makes it fast.

    One task receives and any number of tasks send at a time. A message is 0 bytes to
    `limits.max_message_size` and arrives whole and unchanged, or not at all. Cancelling `receive`
    loses no message. Cancelling `send` either sends nothing of the message or breaks the channel.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        *,
        peer: str = "",
        limits: Limits | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        """Make a channel.

        Args:
            id: The id of the room that the client asks for, as the client wrote it.
            peer: Who is at the other end, for log lines and errors: an address.
            limits: The bounds for this connection; the server sets its own when it serves it.
            credentials: What the client shows of itself.
        """
        self.id = id
        self.peer = peer
        self.limits = DEFAULT_LIMITS if limits is None else limits
        self.credentials = NO_CREDENTIALS if credentials is None else credentials
        self.traffic = Traffic()
        """What has gone over the channel; ycore counts it."""
        self.is_behind = False
        """Whether something waits to be sent, for the peer does not read as fast as it comes."""
        self.failure: Exception | None = None
        """Why this side ended the conversation, if it was for a fault; ycore sets it."""
        self.close_code: int | None = None
        """The code with which the peer closed; a wire sets it before it raises `EndOfStream`."""
        self.close_reason = ""
        """What the peer said when it closed."""
        self.refusal: RefusedError | None = None
        """Why the client may do nothing any more."""
        self._access = Access.READ_WRITE
        self._on_access: Callable[[], None] | None = None

    @final
    @property
    def access(self) -> Access:
        """What the client may do; the server sets it, also while the client is connected."""
        return Access.NONE if self.refusal is not None else self._access

    @final
    def grant(self, access: Access) -> None:
        """Allow or forbid the client something; with `Access.NONE` it is turned away."""
        if access is Access.NONE:
            self.turn_away(AccessDeniedError("access was withdrawn"))
        elif access is not self.access:
            self._access, self.refusal = access, None
            self._tell_access()

    @final
    def turn_away(self, refusal: RefusedError) -> None:
        """Have the client do nothing any more, and close the channel.

        Args:
            refusal: Why: its code and its text are told.
        """
        if self.refusal is None:
            self.refusal = refusal
            self._tell_access()

    def _tell_access(self) -> None:
        if self._on_access is not None:
            self._on_access()

    @final
    @contextmanager
    def watching_access(self, action: Callable[[], None]) -> Iterator[None]:
        """Call something now and whenever the access changes, for the duration of the block."""
        self._on_access = action
        try:
            action()
            yield
        finally:
            self._on_access = None

    @abstractmethod
    async def send(self, message: bytes) -> None:
        """Send a message, waiting while the transport is full.

        Args:
            message: What to send.

        Raises:
            ClosedResourceError: This side has closed the channel.
            BrokenResourceError: The connection broke, or the peer has closed it.
            MessageTooLargeError: The message exceeds `limits.max_message_size`.
        """

    def send_nowait(self, message: bytes) -> bool:
        """Send a message without waiting, if the transport takes it now.

        Args:
            message: What to send.

        Returns:
            True if the message is on its way, False if the transport is full and nothing of the
            message was sent. A channel that cannot tell always returns False, which is the default.

        Raises:
            ClosedResourceError: This side has closed the channel.
            BrokenResourceError: The connection broke, or the peer has closed it.
            MessageTooLargeError: The message exceeds `limits.max_message_size`.
        """
        return False

    @abstractmethod
    async def receive(self) -> bytes:
        """Wait for the next message.

        Returns:
            The message.

        Raises:
            EndOfStream: The peer has closed and every message before that was received; if it
                gave a reason, `close_code` and `close_reason` hold it.
            BrokenResourceError: The connection broke.
            ClosedResourceError: This side has closed the channel.
            MessageTooLargeError: The peer sent a message over `limits.max_message_size`.
            ProtocolError: The peer sent what is no message on this wire.
        """

    @abstractmethod
    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the channel: the peer gets what was sent before, then the code and the reason.

        Returns within `limits.close_timeout` even when the peer does not read, and when cancelled
        still leaves nothing open. Closing again does nothing. Whoever waits in `send` or
        `receive` on this side gets `ClosedResourceError`.

        Args:
            code: A close code of the websocket protocol (RFC 6455, section 7.4).
            reason: Words for a person, at most 123 bytes of UTF-8.
        """

    @property
    def carried(self) -> int:
        """A number that grows with every part of a message that comes, or that the peer has taken.

        So a large message may take its time on a slow line. A wire that cannot tell returns always
        the same, which is the default: then a whole message has to be carried in time.
        """
        return 0

    @property
    def taken(self) -> int:
        """A number that grows with every part of a message that the peer has taken; see `carried`.

        A peer for which something waits is dropped when it takes nothing for long, whatever it
        says meanwhile.
        """
        return 0

    @final
    def __aiter__(self) -> Self:
        """Iterate over the messages until the peer closes."""
        return self

    @final
    async def __anext__(self) -> bytes:
        """Return the next message, or end the iteration when the peer has closed."""
        try:
            return await self.receive()
        except EndOfStream:
            raise StopAsyncIteration from None
