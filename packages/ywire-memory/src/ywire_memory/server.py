"""The server side of the memory wire, and where clients find it."""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import Unpack

from anyio import CancelScope, EndOfStream, create_memory_object_stream, create_task_group
from anyio.abc import TaskStatus
from anyio.lowlevel import RunVar
from anyio.streams.memory import MemoryObjectSendStream

from ycore import ServerOptions, ServerWire

from .channel import MemoryChannel

__all__ = ["MemoryServer", "listening"]

GOING_AWAY = 1001

BACKLOG = 1024
"""So many clients may wait to be accepted."""

Acceptor = MemoryObjectSendStream[MemoryChannel]

_listening: RunVar[dict[str, Acceptor]] = RunVar("ywire_memory_servers")


def listening() -> dict[str, Acceptor]:
    """Return where to hand in connections, by the server's name, in this event loop."""
    try:
        return _listening.get()
    except LookupError:
        _listening.set({})
        return _listening.get()


class MemoryServer(ServerWire):
    """Serves the clients of the same event loop."""

    wire = "memory"

    def __init__(self, *, name: str = "", **options: Unpack[ServerOptions]) -> None:
        """Make a server.

        Args:
            name: What clients connect to; for several servers in one event loop.
            options: See `ServerOptions`.
        """
        super().__init__(**options)
        self.name = name

    @property
    def address(self) -> str:
        """The server's name."""
        return f"memory server {self.name!r}"

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Accept connections; see `ServerWire.listen`.

        Raises:
            OSError: A server of this name is bound in this event loop already.
        """
        servers = listening()
        if self.name in servers:
            raise OSError(errno.EADDRINUSE, f"a memory server named {self.name!r} is already bound")
        acceptor, accepted = create_memory_object_stream[MemoryChannel](BACKLOG)
        servers[self.name] = acceptor
        try:
            async with create_task_group() as tasks:
                task_status.started()
                async for channel in accepted:
                    tasks.start_soon(self.serve, channel)
        finally:
            del servers[self.name]
            acceptor.close()
            with CancelScope(shield=True), suppress(EndOfStream):
                while True:
                    await accepted.receive_nowait().aclose(GOING_AWAY, "the server is going away")
            accepted.close()
