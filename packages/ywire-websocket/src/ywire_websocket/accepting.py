"""Accepting connections for an aiohttp application, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from socket import socket
from ssl import SSLContext

from aiohttp import web
from anyio.lowlevel import checkpoint

__all__ = ["Patience", "accept", "stop"]

logger = logging.getLogger("ywire.websocket")

BACKLOG = 1024
"""So many connections may wait for being accepted: clients come back together."""

ACCEPTING_TURNS = 5
"""After so many turns of asyncio's event loop what it has accepted is a connection of aiohttp's."""


class Patience:
    """Drops a client that does not ask for anything in time; aiohttp would wait for ever."""

    def __init__(self, seconds: float, limit: int) -> None:
        """Make a patience.

        Args:
            seconds: How long a client may take to send its request.
            limit: For how many clients to wait at a time.
        """
        self.seconds = seconds
        self._limit = limit
        self._watched: dict[object, asyncio.TimerHandle] = {}

    @property
    def is_exhausted(self) -> bool:
        """Whether there are too many who have not asked yet."""
        return len(self._watched) >= self._limit

    def end_for(self, protocol: web.RequestHandler) -> None:
        """Take note that a client has asked for something."""
        if timer := self._watched.pop(protocol, None):
            timer.cancel()

    def watch(self, protocol: web.RequestHandler) -> None:
        """Wait for the request of a new connection."""
        timer = asyncio.get_running_loop().call_later(self.seconds, self._drop, protocol)
        self._watched[protocol] = timer

    def end(self) -> None:
        """Wait for nobody any more."""
        for timer in self._watched.values():
            timer.cancel()
        self._watched.clear()

    def _drop(self, protocol: web.RequestHandler) -> None:
        del self._watched[protocol]
        if protocol.transport is not None:
            peer = protocol.transport.get_extra_info("peername")
            logger.warning("%s was cut off: it asked for nothing within %s s", peer, self.seconds)
            protocol.transport.abort()


class _Refusal(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.abort()


async def accept(
    runner: web.AppRunner, sock: socket, ssl_context: SSLContext | None, patience: Patience
) -> asyncio.Server:
    """Accept connections on a socket.

    Args:
        runner: The application's.
        sock: Where to accept.
        ssl_context: Serve TLS with this.
        patience: What to do with those that say nothing.
    """
    make = runner.server
    assert make is not None, "accepting before the start"

    def make_protocol() -> asyncio.Protocol:
        if patience.is_exhausted:
            return _Refusal()
        protocol = make()
        patience.watch(protocol)
        return protocol

    return await asyncio.get_running_loop().create_server(
        make_protocol,
        sock=sock,
        ssl=ssl_context,
        ssl_handshake_timeout=None if ssl_context is None else patience.seconds,
        backlog=BACKLOG,
    )


async def stop(
    runner: web.AppRunner, sockets: Iterable[socket], servers: Iterable[asyncio.Server]
) -> None:
    """Stop accepting connections, and close those that there are."""
    # What a closed asyncio server has accepted but not yet taken in, it drops without closing it.
    for sock in sockets:
        with suppress(NotImplementedError):
            asyncio.get_running_loop().remove_reader(sock)
    for _ in range(ACCEPTING_TURNS):
        await checkpoint()
    for server in servers:
        server.close()
    await runner.cleanup()
