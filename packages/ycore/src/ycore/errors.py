"""What ycore raises by itself.

::

    YWireError
     +-- WireError                              naming, finding and loading wires
     |    +-- UnknownWireError (LookupError)    no wire of this name is installed
     |    +-- WireLoadError (ImportError)       a wire's plugin cannot be used
     |    +-- DuplicateWireError                two plugins claim one name
     |    +-- WireSideError (TypeError)         the wire has no server (or no client) side
     +-- ProtocolError (ValueError)             the peer broke the protocol
     |    +-- MessageTooLargeError              a message is larger than the limit
     +-- RefusedError                           a server does not let a client in
     |    +-- AccessDeniedError                 ... for what it is, or is not, allowed
     |    +-- LimitReachedError                 ... for there is no room for more
     |    +-- RoomLoadError                     ... for its room could not be loaded
     +-- ReadOnlyError (PermissionError)        the server does not accept this client's changes
     +-- DocumentError (RuntimeError)           a document is unusable after a fault inside pycrdt
     +-- ConnectError (ConnectionError)         the server cannot be reached, or is lost for good
          +-- ConnectTimeoutError (TimeoutError)  ... within `connect_timeout`
          +-- ConnectionRejectedError           the server refuses this client for good
          +-- UnsentEditsError                  the client left with edits that did not arrive

A channel raises anyio's errors: `EndOfStream`, `BrokenResourceError`, `ClosedResourceError`.
"""

from __future__ import annotations

from collections.abc import Iterable

from .codes import FORBIDDEN, INTERNAL_ERROR, MESSAGE_TOO_BIG, NOT_AUTHENTICATED, TRY_AGAIN_LATER

__all__ = [
    "AccessDeniedError",
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionRejectedError",
    "DocumentError",
    "DuplicateWireError",
    "LimitReachedError",
    "MessageTooLargeError",
    "ProtocolError",
    "ReadOnlyError",
    "RefusedError",
    "RoomLoadError",
    "UnknownWireError",
    "UnsentEditsError",
    "WireError",
    "WireLoadError",
    "WireSideError",
    "YWireError",
]


class YWireError(Exception):
    """The root of all errors that ycore raises by itself."""


class WireError(YWireError):
    """A wire cannot be found, loaded or used on this side."""

    def __init__(self, wire: str, message: str) -> None:
        super().__init__(message)
        self.wire = wire
        """The name of the wire."""


class UnknownWireError(WireError, LookupError):
    """No wire of this name is installed."""

    def __init__(self, wire: str, message: str, installed: Iterable[str]) -> None:
        super().__init__(wire, message)
        self.installed = tuple(installed)
        """The names of the wires that are installed."""


class WireLoadError(WireError, ImportError):
    """A wire's plugin is installed but cannot be used; the cause is chained."""


class DuplicateWireError(WireError):
    """Two plugins claim one name."""


class WireSideError(WireError, TypeError):
    """The wire has no server side, or no client side."""


class ProtocolError(YWireError, ValueError):
    """The peer sent something that the protocol does not allow."""

    def __init__(self, message: str, *, code: int = 1002) -> None:
        super().__init__(message)
        self.code = code
        """The code with which to close the channel."""


class MessageTooLargeError(ProtocolError):
    """A message is larger than the limit of the connection."""

    def __init__(self, size: int | None, limit: int) -> None:
        what = "a message" if size is None else f"a message of {size} bytes"
        super().__init__(
            f"{what} exceeds the limit of {limit} bytes (the option max_message_size)",
            code=MESSAGE_TOO_BIG,
        )
        self.size = size
        """The size of the message in bytes, or None where the transport does not tell."""
        self.limit = limit
        """The limit, in bytes."""


class RefusedError(YWireError):
    """A server does not let a client in, or not any longer."""

    def __init__(self, message: str, *, kind: str, code: int) -> None:
        super().__init__(message)
        self.kind = kind
        """Under what the server counts it, see `ServerStats.refusals`."""
        self.code = code
        """The close code that tells the client."""


class AccessDeniedError(RefusedError):
    """A client may not enter; an `authorize` raises it to say why, in words for the client."""

    def __init__(
        self, message: str = "forbidden", *, code: int = FORBIDDEN, kind: str | None = None
    ) -> None:
        """Make an error.

        Args:
            message: What the client is told.
            code: 4401 for a client that is not known, 4403 for one that must not enter.
            kind: Under what the server counts it; by default what the code means.
        """
        meaning = "not authenticated" if code == NOT_AUTHENTICATED else "forbidden"
        super().__init__(message, kind=kind or meaning, code=code)


class LimitReachedError(RefusedError):
    """The server has no room for more: connections, rooms, clients of a room, awareness."""

    def __init__(self, message: str, *, limit: str, code: int = TRY_AGAIN_LATER) -> None:
        """Make an error.

        Args:
            message: What the client is told.
            limit: The option that sets the limit.
            code: By default the one that says that the client may try again later.
        """
        super().__init__(message, kind=limit, code=code)


class RoomLoadError(RefusedError):
    """A room could not be loaded; the cause is chained."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="room could not be loaded", code=INTERNAL_ERROR)


class ReadOnlyError(YWireError, PermissionError):
    """The server does not accept this client's changes: they are in its own document only."""


class DocumentError(YWireError, RuntimeError):
    """A document is unusable after a fault inside pycrdt; the fault is chained."""


class ConnectError(YWireError, ConnectionError):
    """The server cannot be reached, or the connection is lost for good."""


class ConnectTimeoutError(ConnectError, TimeoutError):
    """The server did not answer within the time allowed."""


class ConnectionRejectedError(ConnectError):
    """The server refuses this client for good: trying again would not help."""

    def __init__(self, code: int, reason: str, address: str) -> None:
        super().__init__(f"{address} refused the connection: {code} {reason}".rstrip())
        self.code = code
        """The close code, see `docs/protocol.md`."""
        self.reason = reason
        """What the server said."""


class UnsentEditsError(ConnectError):
    """The client left while edits had not arrived at the server."""
