"""The client side of a wire: what a wire author subclasses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from typing import Any, Self, TypedDict

from anyio import AsyncContextManagerMixin, Event
from pycrdt import Awareness, Doc

from .channel import Channel
from .limits import Limits
from .link import Link
from .status import Status, StatusChanges

__all__ = ["ClientOptions", "ClientWire", "Token"]

Token = str | Callable[[], Awaitable[str]]
"""What lets a client in, or what gives that anew for every attempt to connect."""


class ClientOptions(TypedDict, total=False):
    """The options that every client takes, whatever the wire."""

    id: str
    """The room's id; default the empty one."""

    doc: Doc[Any] | None
    """The document to share; default a new one. Other clients may use it too."""

    token: Token | None
    """What lets the client in: a text, or an async function that is called before every attempt
    to connect and bounded by `connect_timeout`. What it raises ends the client, but for an
    `OSError`, after which the client tries again like after any failure to connect."""

    reconnect: bool
    """Whether to come back when the connection is lost; default True."""

    connect_timeout: float
    """How long connecting may take, and then how long the first sync may make no progress, in
    seconds; default 10."""

    auto_push: bool
    """Whether local changes are sent as they are made, or by `push()`; default True."""

    auto_pull: bool
    """Whether remote changes are applied as they arrive, or by `pull()`; default True."""

    max_message_size: int
    """See `Limits`."""

    max_waiting_size: int
    """See `Limits`."""

    send_timeout: float
    """See `Limits`."""

    close_timeout: float
    """How long the edits that are still to be sent are waited for when leaving, and then the end of
    the connection; see `Limits`."""


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
        token: Token | None = None,
        reconnect: bool = True,
        connect_timeout: float = 10.0,
        auto_push: bool = True,
        auto_pull: bool = True,
        max_message_size: int = Limits.max_message_size,
        max_waiting_size: int = Limits.max_waiting_size,
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
        """Who else is in the room; set the local state to be seen."""
        self.limits = Limits(
            max_message_size=max_message_size,
            max_waiting_size=max_waiting_size,
            handshake_timeout=connect_timeout,
            send_timeout=send_timeout,
            close_timeout=close_timeout,
        )
        """The bounds for each connection."""
        self.__token = token
        self.__link = Link(
            self,
            self.doc,
            self.awareness,
            limits=self.limits,
            connect_timeout=connect_timeout,
            reconnect=reconnect,
            auto_push=auto_push,
            auto_pull=auto_pull,
        )

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

    async def get_token(self) -> str | None:
        """Return what to show to the server; a wire calls it at every attempt to connect."""
        if self.__token is None or isinstance(self.__token, str):
            return self.__token
        return await self.__token()

    @property
    def status(self) -> Status:
        """How the client stands to its server now."""
        return self.__link.board.status

    def status_changes(self) -> AbstractContextManager[StatusChanges]:
        """Watch the status.

        Returns:
            A context manager that gives a stream: first the status now, then every change, until
            the client is left.
        """
        return self.__link.board.watch()

    @property
    def synchronized(self) -> Event:
        """An event that is set while the document is in sync with the server's.

        Each disconnection brings a fresh event, so read it anew each time.
        """
        return self.__link.synchronized

    async def flush(self) -> None:
        """Wait until the server has applied all that was edited (or pushed) before.

        While the client is disconnected this waits for the connection to come back: bound it with
        a cancel scope of your own.

        Raises:
            ReadOnlyError: The server does not accept changes of this client.
            ClosedResourceError: The client is not connected and will not be again.
        """
        await self.__link.flush()

    def push(self) -> None:
        """Send the local changes now, or as soon as there is a connection."""
        self.__link.push()

    def pull(self) -> None:
        """Apply what has arrived."""
        self.__link.pull()

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncIterator[Self]:
        if self.__link.was_entered:
            raise RuntimeError("a client is used once: make another one")
        async with self.__link.connected():
            yield self
