"""Accepting connections for an aiohttp application, from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from socket import socket
from ssl import SSLContext
from typing import cast

from aiohttp import web
from anyio.lowlevel import checkpoint

from .newcomers import Newcomers

__all__ = ["accept", "stop"]

BACKLOG = 1024
"""So many connections may wait for being accepted: clients come back together."""

ACCEPTING_TURNS = 5
"""After so many turns of asyncio's event loop what it has accepted is a connection of aiohttp's."""


class _Refusal(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none of asyncio's.
        cast(asyncio.Transport, transport).abort()


async def accept(
    runner: web.AppRunner, sock: socket, ssl_context: SSLContext | None, newcomers: Newcomers
) -> asyncio.Server:
    """Accept connections on a socket.

    Args:
        runner: The application's.
        sock: Where to accept.
        ssl_context: Serve TLS with this.
        newcomers: Those who have no websocket yet.
    """
    make = runner.server
    assert make is not None, "accepting before the start"

    def make_protocol() -> asyncio.Protocol:
        return _Refusal() if newcomers.are_too_many else newcomers.expect(make())

    return await asyncio.get_running_loop().create_server(
        make_protocol,
        sock=sock,
        ssl=ssl_context,
        ssl_handshake_timeout=None if ssl_context is None else newcomers.handshake_timeout,
        ssl_shutdown_timeout=None if ssl_context is None else newcomers.close_timeout,
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
