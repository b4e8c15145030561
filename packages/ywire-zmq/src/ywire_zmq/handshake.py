"""How the handshake of two zmq sockets ends, as libzmq tells the client."""

from __future__ import annotations

import errno

import zmq

from ycore.errors import ConnectError, ConnectionRejectedError

from .curve import ClientKeys
from .sockets import Monitor

__all__ = ["MONITORED", "connected"]

_NOT_CONNECTED = zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED

MONITORED = (
    _NOT_CONNECTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
)
"""One of them tells that the connection stands, all others that it does not."""

_REFUSED = 400
"""What a server says that does not accept the client's key (ZeroMQ RFC 27)."""

FORBIDDEN = 4403


async def connected(monitor: Monitor, endpoint: str, keys: ClientKeys | None) -> None:
    """Wait until a socket is connected.

    Raises:
        OSError: It cannot be; the message names the endpoint, and what to look at.
    """
    event, value = await monitor.next()
    if event & _NOT_CONNECTED:
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"cannot connect to {endpoint}")
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        raise _denial(value, endpoint, keys)
    if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL and _is_mismatch(value):
        raise _mismatch(endpoint, keys)
    if event != zmq.EVENT_HANDSHAKE_SUCCEEDED:
        raise _failure(endpoint, keys)


def _denial(status: int, endpoint: str, keys: ClientKeys | None) -> ConnectError:
    if status != _REFUSED:
        return ConnectError(f"{endpoint} cannot check keys now: status {status}")
    key = "" if keys is None else f"{keys.own.public} "
    reason = f"the client's public key {key}is not one of the server's client_keys"
    return ConnectionRejectedError(FORBIDDEN, reason, f"zmq {endpoint}")


def _is_mismatch(value: int) -> bool:
    return value == zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH


def _mismatch(endpoint: str, keys: ClientKeys | None) -> ConnectError:
    if keys is None:
        return ConnectError(f"{endpoint} is encrypted: give its public key as server_key")
    return ConnectError(f"{endpoint} is not encrypted, but a server_key is given")


def _failure(endpoint: str, keys: ClientKeys | None) -> ConnectError:
    # It may be a mismatch all the same: who sees one closes, perhaps before it has said enough.
    if keys is None:
        hint = "if it is encrypted, give its public key as server_key"
    else:
        hint = "server_key is not its public key, or it is not encrypted"
    return ConnectError(f"no zmq handshake with {endpoint}: {hint}")
