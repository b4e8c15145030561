"""Websockets that wait on for a peer that takes what is sent, however slowly.

aiohttp sends a ping to a peer that has sent nothing for a while, and drops it if nothing comes back
in time. But the ping waits behind what was sent before. On a slow line that may take long: as long
as it gets less, the peer is there.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from aiohttp import ClientWebSocketResponse, WSCloseCode
from aiohttp.web import WebSocketResponse

__all__ = ["PatientClientSocket", "PatientServerSocket", "Unsent", "carried", "taken"]

_INFO = struct.Struct("=120xQQ8xI")
"""Of Linux's `struct tcp_info`: `tcpi_bytes_acked`, `tcpi_bytes_received`, `tcpi_notsent_bytes`."""

CONTENT = 4096
"""Fewer bytes than this may be pings."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """How far what was sent to a peer has got."""

    waits: bool
    """Whether some of it has not left this side. What is on its way does not count: the system of a
    peer that is frozen goes on taking a little."""

    taken: int
    """How much the peer has taken; only a comparison with another time means something."""

    @classmethod
    def on(cls, transport: asyncio.WriteTransport) -> Self:
        """Look at a connection.

        Linux tells what the other end has acknowledged. Elsewhere, and where there is no TCP, the
        transport tells what it has not given to the system yet; not what that holds, nor what waits
        below TLS.
        """
        size = transport.get_write_buffer_size()
        info = _tcp_info(transport.get_extra_info("socket"))
        if info is None:
            return cls(waits=size > 0, taken=-size)
        acknowledged, _, unsent = info
        return cls(waits=size > 0 or unsent > 0, taken=acknowledged)

    def gets_less(self, transport: asyncio.WriteTransport) -> bool:
        """Whether something of what waited then has been taken since."""
        return self.waits and Unsent.on(transport).taken > self.taken


class PatientServerSocket(WebSocketResponse):
    """The server's end of a websocket."""

    _unsent: Unsent | None = None

    async def close(
        self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True
    ) -> bool:
        """Close without waiting until all that was sent before has left.

        aiohttp closes by itself what a peer at fault has, and would wait without a bound for one
        that does not read.
        """
        return await super().close(code=code, message=message, drain=False)

    # These are aiohttp's own; there is no other way to change what it takes for dead.

    def _reset_heartbeat(self) -> None:
        # What comes after the end would have aiohttp keep the connection for 1.5 heartbeats more.
        if not self.closed:
            super()._reset_heartbeat()

    def _send_heartbeat(self) -> None:
        assert self._writer is not None
        self._unsent = Unsent.on(self._writer.transport)
        super()._send_heartbeat()

    def _pong_not_received(self) -> None:
        assert self._writer is not None
        if self._unsent is not None and self._unsent.gets_less(self._writer.transport):
            self._reset_heartbeat()
        else:
            super()._pong_not_received()


class PatientClientSocket(ClientWebSocketResponse):
    """The client's end of a websocket."""

    _unsent: Unsent | None = None

    @property
    def transport(self) -> asyncio.Transport:
        """What it is on, also once aiohttp has let go of it."""
        return self._writer.transport

    def _send_heartbeat(self) -> None:
        self._unsent = Unsent.on(self._writer.transport)
        super()._send_heartbeat()

    def _pong_not_received(self) -> None:
        if self._unsent is not None and self._unsent.gets_less(self._writer.transport):
            self._reset_heartbeat()
        else:
            super()._pong_not_received()


def carried(connection: Any) -> int:
    """Return a number that grows with what is carried over a connection, pings aside.

    Only Linux tells; elsewhere it is always 0.
    """
    info = _tcp_info(connection)
    return 0 if info is None else (info[0] + info[1]) // CONTENT


def taken(connection: Any) -> int:
    """Return a number that grows with what the peer takes; otherwise like `carried`."""
    info = _tcp_info(connection)
    return 0 if info is None else info[0] // CONTENT


def _tcp_info(connection: Any) -> tuple[int, int, int] | None:
    if sys.platform != "linux" or connection is None:
        return None
    # There may be no TCP, or an old kernel that tells less; uvloop's closed sockets have no number.
    with suppress(OSError, ValueError, struct.error):
        told: bytes = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
        found: tuple[int, int, int] = _INFO.unpack(told)
        return found
    return None
