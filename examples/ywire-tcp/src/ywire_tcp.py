"""A wire on plain TCP: each frame is its kind and its size in five bytes, and a message."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from struct import Struct
from typing import Unpack

import anyio
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

import ycore

MESSAGE, CLOSE, HEADER = 0, 1, Struct("!BI")
ENDED = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class TcpChannel(ycore.Channel):
    def __init__(self, id: str, stream: SocketStream, peer: str) -> None:  # noqa: A002
        super().__init__(id, peer=peer)
        self._stream, self._reader = stream, BufferedByteReceiveStream(stream)
        self._lock, self._header, self._is_closed = anyio.Lock(), b"", False

    async def send(self, message: bytes) -> None:
        if len(message) > self.limits.max_message_size:
            raise ycore.MessageTooLargeError(len(message), self.limits.max_message_size)
        if self.close_code is not None:
            raise anyio.BrokenResourceError
        await self._send_frame(MESSAGE, message)

    async def _send_frame(self, kind: int, message: bytes) -> None:
        async with self._lock:
            try:
                await self._stream.send(HEADER.pack(kind, len(message)) + message)
            except anyio.get_cancelled_exc_class():  # half a frame may be out
                await anyio.aclose_forcefully(self._stream)
                raise

    async def receive(self) -> bytes:
        try:  # the header is kept: if this is cancelled, the next call goes on from there
            self._header = self._header or await self._reader.receive_exactly(HEADER.size)
            kind, size = HEADER.unpack(self._header)
            if size > self.limits.max_message_size:
                raise ycore.MessageTooLargeError(size, self.limits.max_message_size)
            message = await self._reader.receive_exactly(size)
        except anyio.IncompleteRead as exc:
            raise anyio.BrokenResourceError from exc
        if kind == CLOSE:
            self.close_code, self.close_reason = int.from_bytes(message[:2]), message[2:].decode()
            self._reader.feed_data(message)  # asked again, say the same again
            raise anyio.EndOfStream
        self._header = b""
        return message

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with (
                anyio.move_on_after(self.limits.close_timeout),
                suppress(*ENDED, anyio.BusyResourceError, OSError),
            ):
                await self._send_frame(CLOSE, code.to_bytes(2) + reason.encode())
                await self._stream.send_eof()
                while True:  # to close with something unread would cut off what was sent
                    await self._stream.receive()
        finally:
            await anyio.aclose_forcefully(self._stream)


class TcpServer(ycore.ServerWire):
    def __init__(
        self, *, host: str = "127.0.0.1", port: int, **options: Unpack[ycore.ServerOptions]
    ) -> None:
        super().__init__(**options)
        self.host, self.port = host, port

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        try:
            listener = await anyio.create_tcp_listener(local_host=self.host, local_port=self.port)
        except OSError as exc:
            reason = os.strerror(exc.errno) if exc.errno else str(exc)
            raise OSError(exc.errno, f"cannot listen on {self.host}:{self.port}: {reason}") from exc
        async with listener:
            self.port = listener.extra(SocketAttribute.local_port)
            task_status.started()
            await listener.serve(self.accept)

    async def accept(self, stream: SocketStream) -> None:
        async with stream:
            channel = TcpChannel("", stream, f"tcp {stream.extra(SocketAttribute.remote_address)}")
            with suppress(*ENDED, TimeoutError, ycore.ProtocolError, UnicodeError):
                with anyio.fail_after(self.limits.handshake_timeout):
                    channel.id = (await channel.receive()).decode()
                await self.serve(channel)


class TcpClient(ycore.ClientWire):
    def __init__(
        self, *, host: str = "127.0.0.1", port: int, **options: Unpack[ycore.ClientOptions]
    ) -> None:
        super().__init__(**options)
        self.host, self.port = host, port

    @property
    def address(self) -> str:
        return f"tcp://{self.host}:{self.port}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[ycore.Channel]:
        async with await anyio.connect_tcp(self.host, self.port) as stream:
            channel = TcpChannel(self.id, stream, self.address)
            await channel.send(self.id.encode())
            yield channel


@ycore.hookimpl
def ycore_wires() -> list[ycore.Wire]:
    return [ycore.Wire("tcp", server=TcpServer, client=TcpClient)]
