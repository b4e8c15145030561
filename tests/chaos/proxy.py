"""A TCP proxy on loopback that can stall, and cut connections in the middle of a message."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from struct import pack

from anyio import (
    TASK_STATUS_IGNORED,
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    TypedAttributeProvider,
    create_task_group,
    create_tcp_listener,
    sleep,
    wait_writable,
)
from anyio.abc import SocketAttribute, SocketStream, TaskStatus

from tests.chaos.gate import Gate

__all__ = ["Proxy"]

HOST = "127.0.0.1"
CHUNK = 64 * 1024

RECEIVE_BUFFER, SEGMENT = 16 * 1024, 1400
"""The less the system holds, the sooner a stall is felt: by itself it holds megabytes."""


class Proxy:
    """Listens on a port of its own and forwards to another one."""

    def __init__(
        self, target: Callable[[], int | None], *, up: Gate, down: Gate, lag: float = 0.0
    ) -> None:
        """Make a proxy.

        Args:
            target: Returns the port to forward to, or None if nobody can be reached now.
            up: What clients send passes here.
            down: What they are sent passes here.
            lag: How long it takes to forward something, in seconds.
        """
        self.port = 0
        """Where it listens, once it runs."""
        self._up = up
        self._down = down
        self._lag = lag
        self._target = target
        self._connections: set[_Connection] = set()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Forward until cancelled; every connection breaks then."""
        async with await create_tcp_listener(local_host=HOST) as listener:
            for socket_listener in listener.listeners:
                _make_small(_raw(socket_listener))
            self.port = listener.extra(SocketAttribute.local_port)
            task_status.started()
            await listener.serve(self._accept)

    def cut(self, after: int = 0) -> None:
        """Break all connections.

        Args:
            after: After so many more bytes of each.
        """
        for connection in self._connections:
            connection.cut(after)

    async def _accept(self, client: SocketStream) -> None:
        async with client:
            port = self._target()
            if port is None:
                _reset_when_closed(client)
                return
            try:
                server = await _connect(port)
            except OSError:
                _reset_when_closed(client)
                return
            async with server:
                await self._forward(_Connection(client, server, self._lag))

    async def _forward(self, connection: _Connection) -> None:
        self._connections.add(connection)
        try:
            await connection.forward(self._up, self._down)
        finally:
            self._connections.discard(connection)


class _Connection:
    def __init__(self, client: SocketStream, server: SocketStream, lag: float) -> None:
        self._client = client
        self._server = server
        self._lag = lag
        self._scope = CancelScope()
        self._left: int | None = None

    async def forward(self, up: Gate, down: Gate) -> None:
        """Forward both ways until both have ended, or one has broken."""
        with self._scope:
            async with create_task_group() as tasks:
                tasks.start_soon(self._pump, self._client, self._server, up)
                tasks.start_soon(self._pump, self._server, self._client, down)

    def cut(self, after: int) -> None:
        if after:
            self._left = after if self._left is None else min(after, self._left)
            return
        for stream in (self._client, self._server):
            _reset_when_closed(stream)
        self._scope.cancel()

    async def _pump(self, source: SocketStream, sink: SocketStream, gate: Gate) -> None:
        try:
            while True:
                data = await source.receive(CHUNK)
                await sleep(self._lag)
                await gate.wait()
                await self._send(sink, data)
        except EndOfStream:
            await gate.wait()
            await self._end(sink)
        except (BrokenResourceError, ClosedResourceError):
            self.cut(0)

    async def _send(self, sink: SocketStream, data: bytes) -> None:
        if self._left is None:
            await sink.send(data)
            return
        data = data[: self._left]
        self._left -= len(data)
        await sink.send(data)
        if not self._left:
            self.cut(0)

    async def _end(self, sink: SocketStream) -> None:
        try:
            await sink.send_eof()
        except (BrokenResourceError, ClosedResourceError, OSError):
            self.cut(0)


async def _connect(port: int) -> SocketStream:
    """Connect to a port.

    Raises:
        OSError: Nobody listens there.
    """
    connection = socket.socket()
    try:
        _make_small(connection)
        connection.setblocking(False)
        with suppress(BlockingIOError):
            connection.connect((HOST, port))
        await wait_writable(connection)
        if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
        return await SocketStream.from_socket(connection)
    except BaseException:
        connection.close()
        raise


def _make_small(connection: socket.socket) -> None:
    """Have the system hold little of what the other end of a connection to be has sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)


def _raw(stream: TypedAttributeProvider) -> socket.socket:
    raw: socket.socket = stream.extra(SocketAttribute.raw_socket)
    return raw


def _reset_when_closed(stream: SocketStream) -> None:
    """Have a connection end as one does whose other end has crashed."""
    with suppress(OSError):
        _raw(stream).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, pack("ii", 1, 0))
