"""A client that has just been told that the server goes comes back while it is going."""

from __future__ import annotations

import asyncio
import socket

import pytest
from anyio import fail_after
from anyio.lowlevel import checkpoint

from ywire_websocket import WebsocketServer

REQUEST = (
    b"GET /room HTTP/1.1\r\n"
    b"Host: localhost\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"\r\n"
)

BOUND = 10.0


@pytest.mark.parametrize("turns", range(8))
async def test_a_connection_in_the_last_moment_is_closed(turns: int) -> None:
    """It neither holds the server up nor stays open without an answer."""
    with socket.socket() as sock:
        with fail_after(BOUND):
            async with WebsocketServer(port=0, close_timeout=0.5) as server:
                sock.connect(("127.0.0.1", server.port))
                sock.sendall(REQUEST)
                # How far the server has come with the connection depends on nothing else.
                for _ in range(turns):
                    await checkpoint()
        sock.setblocking(False)
        await read_to_the_end(sock)


async def read_to_the_end(sock: socket.socket) -> None:
    with fail_after(BOUND):
        try:
            while await asyncio.get_running_loop().sock_recv(sock, 4096):
                pass
        except ConnectionResetError:
            # Closed before it was accepted.
            pass
