"""A stretch of network between clients and a server, with the faults that networks have."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from anyio import CancelScope, Event, create_task_group, wait_readable, wait_writable
from anyio.abc import TaskGroup

from ycore.tasks import background_tasks

__all__ = ["Proxy", "open_proxy"]

HOST = "127.0.0.1"

BACKLOG = 1024

PIECE = 64 * 1024
"""So much is carried at a time, and so little is there room for in a connection, in bytes."""

AT_ONCE = struct.pack("ii", 1, 0)
"""The SO_LINGER of a socket that is closed by a reset, with nothing said before."""


@asynccontextmanager
async def open_proxy(server_port: int) -> AsyncIterator[Proxy]:
    """Carry connections to a server on this machine, for the duration of the block."""
    with socket.create_server((HOST, 0), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        # The connections inherit it: what is stalled must not get far.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        proxy = Proxy(listener.getsockname()[1], server_port)
        async with background_tasks() as tasks:
            tasks.start_soon(proxy.accept, listener, tasks)
            yield proxy


class Proxy:
    """Carries connections to a server."""

    def __init__(self, port: int, server_port: int) -> None:
        """Make a proxy; see `open_proxy`."""
        self.port = port
        """Where clients connect to."""
        self._server_port = server_port
        self._to_server, self._to_client = _Gate(), _Gate()
        self._connections: set[CancelScope] = set()

    def cut(self) -> int:
        """Reset all connections, at both ends; return how many. New ones come through."""
        count = len(self._connections)
        for connection in self._connections:
            connection.cancel()
        return count

    def stall(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Forward nothing any more, not even that an end has closed its connection."""
        if to_server:
            self._to_server.shut()
        if to_client:
            self._to_client.shut()

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
        far = socket.socket()
        with ExitStack() as ends:
            for end in (near, far):
                end.setblocking(False)
                ends.enter_context(end)
            with CancelScope() as scope:
                self._connections.add(scope)
                try:
                    await self._connect(far)
                    await self._pump_both_ways(near, far)
                except* OSError:
                    scope.cancel()
                finally:
                    self._connections.discard(scope)
            if scope.cancel_called:
                for end in (near, far):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)

    async def _connect(self, far: socket.socket) -> None:
        await self._to_server.passed()
        await self._to_client.passed()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        code = far.connect_ex((HOST, self._server_port))
        if code == errno.EINPROGRESS:
            await wait_writable(far)
            code = far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))

    async def _pump_both_ways(self, near: socket.socket, far: socket.socket) -> None:
        async with create_task_group() as tasks:
            tasks.start_soon(_pump, near, far, self._to_server, self._to_client)
            tasks.start_soon(_pump, far, near, self._to_client, self._to_server)


async def _pump(source: socket.socket, target: socket.socket, forth: _Gate, back: _Gate) -> None:
    """Carry one direction of a connection until its end."""
    while True:
        await wait_readable(source)
        await forth.passed()
        piece = source.recv(PIECE)
        try:
            if not piece:
                target.shutdown(socket.SHUT_WR)
                return
            await _send_all(target, piece, forth)
        except OSError:
            # That nobody is there any more is told by what comes back.
            await back.passed()
            raise


async def _send_all(target: socket.socket, piece: bytes, gate: _Gate) -> None:
    rest = memoryview(piece)
    while rest:
        await wait_writable(target)
        await gate.passed()
        rest = rest[target.send(rest) :]


class _Gate:
    """Lets everybody pass while it is open."""

    def __init__(self) -> None:
        self._opened = Event()
        self._opened.set()

    def shut(self) -> None:
        if self._opened.is_set():
            self._opened = Event()

    def open(self) -> None:
        self._opened.set()

    async def passed(self) -> None:
        while not self._opened.is_set():
            await self._opened.wait()
