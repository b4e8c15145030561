"""A websocket that is read by nobody but the test."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from struct import pack, unpack

from anyio import BrokenResourceError, EndOfStream, IncompleteRead
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from ycore import Channel

__all__ = ["RawWebsocket", "open_raw_websocket"]

UPGRADE = (
    "GET /{room} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)

BINARY, CLOSE, PING, PONG = 0x2, 0x8, 0x9, 0xA
"""Kinds of frames (RFC 6455, section 5.2)."""

SMALL, LARGE = 4 * 1024, 1024 * 1024
"""What the system may keep for who does not read, and for who does."""


@asynccontextmanager
async def open_raw_websocket(room: str, port: int) -> AsyncIterator[RawWebsocket]:
    """Open a websocket on a plain TCP connection for which the system keeps next to nothing."""
    plain = socket.socket()
    # Only what is set before it is connected bounds the window that the server sees.
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
    plain.connect(("127.0.0.1", port))
    async with await SocketStream.from_socket(plain) as stream:
        await stream.send(UPGRADE.format(room=room).encode())
        received = BufferedByteReceiveStream(stream)
        answer = await received.receive_until(b"\r\n\r\n", 10_000)
        assert answer.startswith(b"HTTP/1.1 101 "), answer
        yield RawWebsocket(room, stream, received, plain)


class RawWebsocket(Channel):
    """A websocket that is read by nobody but the test."""

    def __init__(
        self,
        id: str,  # noqa: A002
        stream: SocketStream,
        received: BufferedByteReceiveStream,
        plain: socket.socket,
    ) -> None:
        super().__init__(id)
        self._stream = stream
        self._received = received
        self._plain = plain

    async def send(self, message: bytes) -> None:
        await self._send_frame(BINARY, message)

    async def receive(self) -> bytes:
        while True:
            kind, payload = await self._receive_frame()
            match kind:
                case 0x2:
                    return payload
                case 0x8:
                    (self.close_code,) = unpack("!H", payload[:2])
                    self.close_reason = payload[2:].decode()
                    raise EndOfStream
                case 0x9:
                    await self._send_frame(PONG, payload)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._stream.aclose()

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        await self._stream.send(data)

    async def _send_frame(self, kind: int, payload: bytes) -> None:
        """Send a whole frame, masked with zeros."""
        size = len(payload)
        if size < 126:
            header = pack("!BB", 0x80 | kind, 0x80 | size)
        elif size < 65536:
            header = pack("!BBH", 0x80 | kind, 0x80 | 126, size)
        else:
            header = pack("!BBQ", 0x80 | kind, 0x80 | 127, size)
        await self._stream.send(header + bytes(4) + payload)

    async def _receive_frame(self) -> tuple[int, bytes]:
        try:
            first, size = await self._received.receive_exactly(2)
            if size == 126:
                (size,) = unpack("!H", await self._received.receive_exactly(2))
            elif size == 127:
                (size,) = unpack("!Q", await self._received.receive_exactly(8))
            return first & 0x0F, await self._received.receive_exactly(size)
        except IncompleteRead:
            raise BrokenResourceError from None
