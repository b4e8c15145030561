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
     +-- LimitReachedError                      the server has no room for more
     +-- RoomLoadError                          a room could not be loaded
     +-- DocumentError (RuntimeError)           a document is unusable after a fault inside pycrdt
     +-- ConnectError (ConnectionError)         the server cannot be reached, or is lost for good
          +-- ConnectTimeoutError (TimeoutError)  ... within `connect_timeout`
          +-- ConnectionRejectedError           the server refuses this client for good
          +-- UnsentEditsError                  the client left with edits that did not arrive

A channel raises anyio's errors: `EndOfStream`, `BrokenResourceError`, `ClosedResourceError`.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionRejectedError",
    "DocumentError",
    "DuplicateWireError",
    "LimitReachedError",
    "MessageTooLargeError",
    "ProtocolError",
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
            f"{what} exceeds the limit of {limit} bytes (the option max_message_size)", code=1009
        )
        self.size = size
        """The size of the message in bytes, or None where the transport does not tell."""
        self.limit = limit
        """The limit, in bytes."""


class LimitReachedError(YWireError):
    """The server has no room for more: rooms, or clients of a room."""

    code = 1013
    """The close code for a client that is refused: it may try again later."""


class RoomLoadError(YWireError):
    """A room could not be loaded; the cause is chained."""

    code = 1011
    """The close code for a client that is refused: it may try again later."""


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
