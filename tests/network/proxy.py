"""A stretch of network between clients and a server, with the faults that networks have."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

from anyio import CancelScope, create_task_group, sleep, wait_readable, wait_writable
from anyio.abc import TaskGroup

from tests.network.gate import Gate
from ycore.tasks import background_tasks

__all__ = ["Proxy", "open_proxy"]

HOST = "127.0.0.1"

BACKLOG = 1024

PIECE = 64 * 1024
"""So much is carried at a time, in bytes."""

RECEIVE_BUFFER, SEGMENT = 16 * 1024, 1400
"""The less the system holds, the sooner a stall is felt: by itself it holds megabytes."""

AT_ONCE = struct.pack("ii", 1, 0)
"""The SO_LINGER of a socket that is closed by a reset, with nothing said before."""


@asynccontextmanager
async def open_proxy(
    target: int | Callable[[], int | None], *, lag: float = 0.0
) -> AsyncIterator[Proxy]:
    """Carry connections to a server on this machine, for the duration of the block.

    Args:
        target: The port to carry them to, or what returns it for each connection: None if nobody
            can be reached.
        lag: How long it takes to carry something, in seconds.
    """
    # anyio's listener is none for asyncio of Python 3.11: a connection that comes in the turn of
    # the event loop in which `sock_accept` is cancelled fails there (InvalidStateError).
    with socket.create_server((HOST, 0), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        # The connections inherit it.
        _make_small(listener)
        port_of_server = target if callable(target) else lambda: target
        proxy = Proxy(listener.getsockname()[1], port_of_server, lag)
        async with background_tasks() as tasks:
            tasks.start_soon(proxy.accept, listener, tasks)
            yield proxy


class Proxy:
    """Carries connections to a server."""

    def __init__(self, port: int, target: Callable[[], int | None], lag: float) -> None:
        """Make a proxy; see `open_proxy`."""
        self.port = port
        """Where clients connect to."""
        self._target = target
        self._lag = lag
        self._is_plugged = True
        self._to_server, self._to_client = Gate(), Gate()
        self._connections: set[_Connection] = set()

    def cut(self, after: int = 0) -> int:
        """Reset all connections, at both ends. New ones come through.

        Args:
            after: After so many more bytes of each.

        Returns:
            How many there are.
        """
        for connection in self._connections:
            connection.cut(after)
        return len(self._connections)

    def unplug(self) -> None:
        """Reset all connections, and every new one."""
        self._is_plugged = False
        self.cut()

    def plug_in(self) -> None:
        """Let new connections come through again."""
        self._is_plugged = True

    def stall(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Forward nothing any more, not even that an end has closed its connection."""
        if to_server:
            self._to_server.close()
        if to_client:
            self._to_client.close()

    def resume(self) -> None:
        """Forward again, beginning with what was held back."""
        self._to_server.open()
        self._to_client.open()

    async def accept(self, listener: socket.socket, tasks: TaskGroup) -> None:
        """Accept connections and carry each in a task of its own, until cancelled."""
        while True:
            await wait_readable(listener)
            try:
                near, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                continue
            tasks.start_soon(self._carry, near)

    async def _carry(self, near: socket.socket) -> None:
        connection = _Connection(near, self._to_server, self._to_client, self._lag)
        self._connections.add(connection)
        try:
            await connection.carry(self._reached)
        finally:
            self._connections.discard(connection)

    def _reached(self) -> int | None:
        return self._target() if self._is_plugged else None


class _Connection:
    """A connection of a client, and the one to the server that continues it."""

    def __init__(self, near: socket.socket, to_server: Gate, to_client: Gate, lag: float) -> None:
        self._near, self._far = near, socket.socket()
        self._to_server, self._to_client = to_server, to_client
        self._lag = lag
        self._left: int | None = None
        """After so many bytes it is cut, if it is."""
        self._scope = CancelScope()

    def cut(self, after: int = 0) -> None:
        if after:
            self._left = after if self._left is None else min(after, self._left)
        else:
            self._scope.cancel()

    async def carry(self, target: Callable[[], int | None]) -> None:
        """Connect to the server, and carry both directions until both have ended, or it is cut."""
        with ExitStack() as ends:
            for end in (self._near, self._far):
                end.setblocking(False)
                ends.enter_context(end)
            with self._scope:
                try:
                    await self._to_server.wait()
                    await self._to_client.wait()
                    await self._connect(target())
                    await self._carry_both_ways()
                except* OSError:
                    self.cut()
            if self._scope.cancel_called:
                for end in (self._near, self._far):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)

    async def _connect(self, port: int | None) -> None:
        if port is None:
            raise ConnectionRefusedError
        _make_small(self._far)
        code = self._far.connect_ex((HOST, port))
        if code == errno.EINPROGRESS:
            await wait_writable(self._far)
            code = self._far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    async def _carry_both_ways(self) -> None:
        async with create_task_group() as tasks:
            for way in (
                (self._near, self._far, self._to_server, self._to_client),
                (self._far, self._near, self._to_client, self._to_server),
            ):
                tasks.start_soon(self._pump, *way)

    async def _pump(
        self, source: socket.socket, sink: socket.socket, forth: Gate, back: Gate
    ) -> None:
        """Carry one direction until its end."""
        while True:
            await wait_readable(source)
            await sleep(self._lag)
            await forth.wait()
            piece = source.recv(PIECE)
            try:
                if not piece:
                    sink.shutdown(socket.SHUT_WR)
                    return
                await self._send_all(sink, piece, forth)
            except OSError:
                # That nobody is there any more is told by what comes back.
                await back.wait()
                raise

    async def _send_all(self, sink: socket.socket, piece: bytes, gate: Gate) -> None:
        rest = memoryview(piece)
        while rest:
            await wait_writable(sink)
            await gate.wait()
            sent = sink.send(rest[: self._left])
            rest = rest[sent:]
            if self._left is not None:
                self._left -= sent
                if not self._left:
                    self.cut()


def _make_small(connection: socket.socket) -> None:
    """Have the system hold little of what the other end of a connection to be has sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
