"""A websocket as a channel: one binary message of the websocket for each message."""

from __future__ import annotations

import asyncio
import socket
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from struct import pack

from aiohttp import ClientConnectionError, WebSocketError, WSMessage
from aiohttp import WSMsgType as Type
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web import WebSocketResponse
from anyio import BrokenResourceError, ClosedResourceError, EndOfStream, move_on_after

from ycore import Channel, Credentials, MessageTooLargeError, ProtocolError

from .patience import PatientClientSocket, carried, taken

__all__ = ["ClientChannel", "ServerChannel"]

HIGH_WATER = 64 * 1024
"""A transport that holds more unsent bytes than this is full."""

NOT_SENT = 128 * 1024
"""So much may wait in the system for being sent, in bytes: Linux takes megabytes otherwise, and
what is there cannot be told together with what comes after."""

MESSAGE_TOO_BIG, UNSUPPORTED_DATA = 1009, 1003

LAST = (Type.CLOSE, Type.CLOSING, Type.CLOSED, Type.ERROR)
"""After one of these nothing comes any more."""

BINARY, CLOSE = 0x2, 0x8
"""Kinds of frames (RFC 6455, section 5.2)."""

SHORT = [pack("!BB", 0x80 | BINARY, size) for size in range(126)]
"""What comes before a short message, by its size."""


class WebsocketChannel(Channel):
    """What both ends of a websocket have in common."""

    _socket: PatientClientSocket | WebSocketResponse
    _transport: asyncio.Transport
    _is_closed = False
    _is_receiving = False

    async def send(self, message: bytes) -> None:
        """Send a message; see `Channel.send`."""
        self._check(message)
        try:
            await self._socket.send_bytes(message)
        except (OSError, ClientConnectionError) as exc:
            raise self._lost() from exc
        except asyncio.CancelledError as exc:
            # All who wait for the transport share one future: cancelling one cancels them all.
            self._abort()
            if _is_cancelled():
                raise
            raise self._lost() from exc

    async def receive(self) -> bytes:
        """Wait for a message; see `Channel.receive`."""
        if self._is_closed:
            raise ClosedResourceError
        self._is_receiving = True
        try:
            while True:
                try:
                    message = await self._socket.receive()
                    break
                except (OSError, ClientConnectionError):
                    # aiohttp answers pings in there, and could not; what came behind is to be read.
                    continue
        except RuntimeError as exc:
            # aiohttp's answer to a receive after the end.
            raise self._ended() from exc
        finally:
            self._is_receiving = False
        if message.type is Type.BINARY:
            data: bytes = message.data
            return data
        raise self._explain(message)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the websocket; see `Channel.aclose`."""
        if self._is_closed:
            return
        self._is_closed = True
        is_clean = False
        try:
            with move_on_after(self.limits.close_timeout):
                await self._close_socket(code, reason.encode())
                is_clean = True
        finally:
            # A peer that aiohttp takes for dead may never take what the transport still holds.
            if not is_clean or self._holds_something:
                self._abort()

    @property
    def carried(self) -> int:
        """What the system knows of both directions; see `Channel.carried`."""
        return carried(self._connection)

    @property
    def taken(self) -> int:
        """What the system knows the peer's system to have; see `Channel.taken`."""
        return taken(self._connection)

    # asyncio's TLS transport knows nothing any more once it was closed twice: it raises.

    @property
    def _holds_something(self) -> bool:
        with suppress(AttributeError):
            return self._transport.get_write_buffer_size() > 0
        return False

    @property
    def _connection(self) -> object:
        with suppress(AttributeError):
            return self._transport.get_extra_info("socket")
        return None

    @abstractmethod
    async def _close_socket(self, code: int, reason: bytes) -> None:
        """Exchange close frames."""

    def _abort(self) -> None:
        """Cut the connection, whatever is under way."""
        self._transport.abort()

    def _check(self, message: bytes) -> None:
        if self._is_closed:
            raise ClosedResourceError
        if self.close_code is not None:
            raise BrokenResourceError
        if len(message) > self.limits.max_message_size:
            raise MessageTooLargeError(len(message), self.limits.max_message_size)

    def _explain(self, message: WSMessage) -> Exception:
        """Return the error that says what came instead of a binary message."""
        if message.type is Type.TEXT:
            return ProtocolError("a text frame: the Yjs protocol is binary", code=UNSUPPORTED_DATA)
        if message.type is Type.CLOSE:
            # An empty close frame reads as no code at all (RFC 6455, section 7.1.5).
            self.close_code = message.data or 1005
            self.close_reason = message.extra or ""
        elif message.type is Type.ERROR and isinstance(message.data, WebSocketError):
            if message.data.code == MESSAGE_TOO_BIG:
                return MessageTooLargeError(None, self.limits.max_message_size)
            return ProtocolError(str(message.data), code=message.data.code)
        return self._ended()

    def _ended(self) -> Exception:
        if self._is_closed:
            return ClosedResourceError()
        return BrokenResourceError() if self.close_code is None else EndOfStream()

    def _lost(self) -> Exception:
        return ClosedResourceError() if self._is_closed else BrokenResourceError()


class ServerChannel(WebsocketChannel):
    """The server's end of a websocket."""

    def __init__(
        self,
        id: str,  # noqa: A002
        socket: WebSocketResponse,
        writer: AbstractStreamWriter,
        transport: asyncio.Transport,
        *,
        peer: str,
        is_deaf: Callable[[], bool],
        credentials: Credentials,
    ) -> None:
        """Make a channel.

        Args:
            id: The room's id.
            socket: The websocket, which is open.
            writer: What it gave when it was prepared.
            transport: What it is on.
            peer: Who is at the other end.
            is_deaf: Whether what the peer sends does not arrive any more.
            credentials: What the peer shows of itself.
        """
        super().__init__(id, peer=peer, credentials=credentials)
        self._socket: WebSocketResponse = socket
        self._writer = writer
        self._transport = transport
        self._is_deaf = is_deaf
        _keep_back(transport)

    def send_nowait(self, message: bytes) -> bool:
        """Send a message if the transport is not full; see `Channel.send_nowait`.

        A server's frame is a header and the message as it is (RFC 6455, section 5.2), so it can
        be written to the transport without the coroutine that aiohttp needs for the same.
        """
        # Every delivery goes through here: the checks are written out.
        if self._is_closed or self.close_code is not None:
            self._check(message)
        size = len(message)
        if size > self.limits.max_message_size:
            self._check(message)
        transport = self._transport
        if transport.is_closing():
            raise BrokenResourceError
        if transport.get_write_buffer_size() > HIGH_WATER:
            return False
        transport.write(SHORT[size] + message if size < len(SHORT) else _frame(message))
        return True

    async def _close_socket(self, code: int, reason: bytes) -> None:
        # From now on "drained" means empty: nothing of what was sent is left behind.
        with suppress(AttributeError):
            self._transport.set_write_buffer_limits(0)
        if self._is_deaf():
            await self._close_without_reply(code, reason)
        else:
            await self._socket.close(code=code, message=reason)
        with suppress(OSError, ClientConnectionError):
            await self._writer.drain()

    async def _close_without_reply(self, code: int, reason: bytes) -> None:
        """Send a close frame and wait until everything has left."""
        self._transport.write(_frame(pack("!H", code) + reason, CLOSE))
        self._transport.close()
        with suppress(RuntimeError):
            # Ends with the connection; so does another task's that waits there already.
            await self._socket.receive()


class ClientChannel(WebsocketChannel):
    """The client's end of a websocket."""

    def __init__(self, id: str, socket: PatientClientSocket, peer: str) -> None:  # noqa: A002
        super().__init__(id, peer=peer)
        self._socket: PatientClientSocket = socket
        self._transport = socket.transport

    async def _close_socket(self, code: int, reason: bytes) -> None:
        try:
            if not self._is_receiving and self.close_code is None:
                await self._exchange_close_frames(code, reason)
        finally:
            await self._socket.close(code=code, message=reason)

    async def _exchange_close_frames(self, code: int, reason: bytes) -> None:
        """Close as aiohttp does not when a receive has been cancelled: wait for the peer's frame.

        Without that the system throws away what is under way, our last messages with it.
        """
        with suppress(OSError, ClientConnectionError):
            await self._socket.send_frame(pack("!H", code) + reason, Type.CLOSE)
            while (await self._socket.receive()).type not in LAST:
                pass


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _keep_back(transport: asyncio.BaseTransport) -> None:
    """Have the system take no more than it can send soon, where it knows how."""
    connection = transport.get_extra_info("socket")
    if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        # A socket of another family has no such option.
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT)


def _frame(message: bytes, opcode: int = BINARY) -> bytes:
    """Return a message as an unmasked frame that is whole."""
    size = len(message)
    if size < 126:
        return pack("!BB", 0x80 | opcode, size) + message
    if size < 65536:
        return pack("!BBH", 0x80 | opcode, 126, size) + message
    return pack("!BBQ", 0x80 | opcode, 127, size) + message
