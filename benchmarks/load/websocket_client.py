"""A client on a bare websocket."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import cast

from benchmarks.load.client import Client
from benchmarks.load.websocket import PING, encode_frame, encode_pong, encode_request, split_frames
from benchmarks.peers import Dialect

__all__ = ["WebsocketClient", "WebsocketLine"]

_BUFFER = 256 * 1024
_HOST = "127.0.0.1"
_EMPTY_PING, _EMPTY_PONG = bytes((PING, 0)), encode_pong(b"")
_NO_LINGER = struct.pack("ii", 1, 0)


class WebsocketLine:
    """How to get to a websocket server."""

    def __init__(self, dialect: Dialect, port: int) -> None:
        """Note what the server speaks, and its port on this machine."""
        self._dialect = dialect
        self._port = port
        # One for all clients: what is in there is copied before anything else comes.
        self._buffer = bytearray(_BUFFER)

    async def connect(self, name: str, room: str, *, buffer_size: int = 0) -> WebsocketClient:
        """Connect a client.

        Args:
            name: What to call it.
            room: The room.
            buffer_size: How much the system takes for it before it reads, in bytes; by default as
                much as the system likes.
        """
        client = WebsocketClient(name, room, self._dialect, self._port, self._buffer)
        sock = socket.socket()
        sock.setblocking(False)
        # What is closed is gone at once: many runs in a row would use up all ports.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        if buffer_size:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_size)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, (_HOST, self._port))
        await loop.create_connection(lambda: client, sock=sock)
        await client.opened
        return client


class WebsocketClient(Client, asyncio.BufferedProtocol):
    """One websocket; nothing it receives is parsed but the answer to its request, and pings."""

    def __init__(
        self, name: str, room: str, dialect: Dialect, port: int, buffer: bytearray
    ) -> None:
        """Make a client, to be connected by `asyncio`.

        Args:
            name: What to call it when it lacks something.
            room: The room.
            dialect: What the server speaks.
            port: The port of the server.
            buffer: What the system writes to.
        """
        super().__init__(name, room)
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._dialect = dialect
        self._port = port
        self._buffer = buffer
        self._view = memoryview(buffer)
        self._connection: asyncio.Transport | None = None

    @property
    def _transport(self) -> asyncio.Transport:
        assert self._connection is not None
        return self._connection

    def frame(self, message: bytes) -> bytes:
        """See `Client.frame`."""
        return encode_frame(self._dialect.wrap(self.room, message))

    def send(self, frame: bytes) -> None:
        """See `Client.send`; what a connection that has ended does not take will be missed."""
        if self.lost is None:
            self._transport.write(frame)

    def messages(self) -> Iterator[tuple[bytes, int]]:
        """See `Client.messages`."""
        for payload, end in split_frames(self.received):
            for message in self._dialect.unwrap(payload):
                yield message, end

    def pause(self) -> None:
        """See `Client.pause`."""
        self._transport.pause_reading()

    def resume(self) -> None:
        """See `Client.resume`."""
        self._transport.resume_reading()

    async def leave(self) -> None:
        """See `Client.leave`."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a websocket."""
        self._connection = cast(asyncio.Transport, transport)
        self.send(encode_request(self._dialect.path(self.room), self._port))

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return where to write to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Keep what came."""
        self.take(self._view[:nbytes])
        if not self.opened.done():
            self._read_response()
        elif self._buffer[0] == PING:
            self.send(encode_pong(bytes(self._view[2 : 2 + self._buffer[1]])))
        elif self._view[max(0, nbytes - 2) : nbytes] == _EMPTY_PING:
            # What only looks like one costs no more than an answer that nobody waits for. A ping
            # in the middle goes unseen: the server will ask again, or has heard of the client.
            self.send(_EMPTY_PONG)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that nothing more will come."""
        self.lose("the connection ended" if exc is None else f"{type(exc).__name__}: {exc}")
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"{self.name}: {self.lost}"))

    def eof_received(self) -> None:
        """Let the connection end."""

    def _read_response(self) -> None:
        head, blank, rest = bytes(self.received).partition(b"\r\n\r\n")
        if not blank:
            return
        status = head.split(b"\r\n")[0]
        self.received[:] = rest
        if b" 101 " in status:
            for frame in self._dialect.greeting(self.room):
                self.send(encode_frame(frame))
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(f"{self.name}: {status.decode()}"))
            self._transport.abort()
