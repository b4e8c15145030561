"""Why a client has no connection, and whether trying again may help."""

from __future__ import annotations

from anyio import BrokenResourceError, ClosedResourceError, EndOfStream

from .channel import Channel
from .codes import is_permanent
from .errors import (
    ConnectError,
    ConnectionRejectedError,
    MessageTooLargeError,
    ProtocolError,
    RefusedError,
)

__all__ = ["CONNECTION_ERRORS", "out_of_reach", "why_lost"]

CONNECTION_ERRORS = (OSError, EndOfStream, BrokenResourceError, ClosedResourceError, ProtocolError)
"""What opening a connection may raise; trying again may help."""


def out_of_reach(address: str, cause: Exception) -> ConnectError:
    """Return the error for a connection that could not be opened."""
    return _caused(ConnectError(f"cannot reach {address}: {_describe(cause)}"), cause)


def why_lost(channel: Channel, address: str) -> ConnectError:
    """Return why a connection has ended, if trying again may help.

    Raises:
        ConnectionRejectedError: The server refuses this client for good.
        MessageTooLargeError: This side has a message over the limit.
        Exception: Something failed that has nothing to do with the connection.
    """
    code, reason = channel.close_code, channel.close_reason
    if code is not None and is_permanent(code):
        raise ConnectionRejectedError(code, reason, address)
    match channel.failure:
        case None:
            said = f": {code} {reason}".rstrip() if code is not None else ""
            return ConnectError(f"{address} closed the connection{said}")
        case MessageTooLargeError() as error:
            raise error
        case (
            ProtocolError()
            | TimeoutError()
            | RefusedError()
            | ClosedResourceError()
            | BrokenResourceError() as error
        ):
            return _caused(ConnectError(f"{address} was lost: {_describe(error)}"), error)
        case error:
            raise error


def _describe(error: Exception) -> str:
    return str(error) or type(error).__name__


def _caused(error: ConnectError, cause: Exception) -> ConnectError:
    error.__cause__ = cause
    return error
