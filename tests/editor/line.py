"""A line to a server that can be cut and mended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
)
from anyio.abc import ByteStream, SocketAttribute

__all__ = ["Line", "open_line"]


class Line:
    """Carries connections to a server on this machine, unless it is cut."""

    def __init__(self, server_port: int) -> None:
        self.port = 0
        self._server_port = server_port
        self._is_cut = False
        self._connections: set[CancelScope] = set()

    def cut(self) -> None:
        """Lose the connections, and every new one."""
        self._is_cut = True
        for connection in self._connections:
            connection.cancel()

    def mend(self) -> None:
        self._is_cut = False

    async def carry(self, near: ByteStream) -> None:
        with CancelScope() as connection:
            self._connections.add(connection)
            try:
                async with near:
                    if not self._is_cut:
                        await self._connect(near)
            finally:
                self._connections.discard(connection)

    async def _connect(self, near: ByteStream) -> None:
        async with (
            await connect_tcp("127.0.0.1", self._server_port) as far,
            create_task_group() as tasks,
        ):
            tasks.start_soon(_pump, near, far)
            await _pump(far, near)
            tasks.cancel_scope.cancel()


async def _pump(source: ByteStream, target: ByteStream) -> None:
    try:
        async for piece in source:
            await target.send(piece)
        await target.send_eof()
    except (BrokenResourceError, ClosedResourceError):
        pass


@asynccontextmanager
async def open_line(server_port: int) -> AsyncIterator[Line]:
    line = Line(server_port)
    async with await create_tcp_listener(local_host="127.0.0.1") as listener:
        line.port = listener.extra(SocketAttribute.local_port)
        async with create_task_group() as tasks:
            tasks.start_soon(listener.serve, line.carry)
            yield line
            tasks.cancel_scope.cancel()
