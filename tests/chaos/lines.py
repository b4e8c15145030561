"""What lies between one client and its server, and how it goes wrong."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from anyio import TASK_STATUS_IGNORED, sleep_forever
from anyio.abc import TaskGroup, TaskStatus

from tests.chaos.actions import Who
from tests.chaos.faulty_channel import FaultyChannel
from tests.network.gate import Gate
from tests.network.proxy import Proxy, open_proxy
from ycore import Channel, ClientWire, connect

__all__ = ["Line", "LineClient", "lay_line"]


class Line(ABC):
    """What lies between one client and its server."""

    def __init__(self, port: Callable[[], int | None]) -> None:
        """Make a line.

        Args:
            port: Returns where the server is, if its host runs.
        """
        self.connections = 0
        """So many were opened."""
        self._port = port
        self._is_plugged = True
        self._reading = Gate()

    @abstractmethod
    def open(self, client: ClientWire) -> AbstractAsyncContextManager[Channel]:
        """Open a connection for a client."""

    @abstractmethod
    def cut(self, after: int = 0) -> None:
        """Break the connection, after so many more bytes where bytes are sent."""

    @abstractmethod
    def stall(self, *, up: bool, down: bool) -> None:
        """Forward nothing in one direction or both."""

    @abstractmethod
    def resume(self) -> None:
        """End all stalls, and have the client read."""

    def unplug(self) -> None:
        """Break the connection for good."""
        self._is_plugged = False
        self.cut()

    def pause(self) -> None:
        """Have the client stop reading."""
        self._reading.close()

    def _target(self) -> int | None:
        return self._port() if self._is_plugged else None


class TcpLine(Line):
    """A line with a proxy in it."""

    def __init__(self, wire: str, lag: float, port: Callable[[], int | None]) -> None:
        super().__init__(port)
        self._wire = wire
        self._lag = lag
        self._proxy: Proxy

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run the proxy until cancelled."""
        async with open_proxy(self._target, lag=self._lag) as self._proxy:
            task_status.started()
            await sleep_forever()

    @asynccontextmanager
    async def open(self, client: ClientWire) -> AsyncIterator[Channel]:
        async with connect(self._wire, id=client.id, port=self._proxy.port).open() as channel:
            self.connections += 1
            yield FaultyChannel(channel, reading=self._reading, writing=Gate())

    def cut(self, after: int = 0) -> None:
        self._proxy.cut(after)

    def stall(self, *, up: bool, down: bool) -> None:
        self._proxy.stall(to_server=up, to_client=down)

    def resume(self) -> None:
        self._proxy.resume()
        self._reading.open()


class MemoryLine(Line):
    """A line without length: what goes wrong does so in the channel itself."""

    def __init__(self, tasks: TaskGroup, port: Callable[[], int | None]) -> None:
        super().__init__(port)
        self._tasks = tasks
        self._writing = Gate()
        self._channels: set[Channel] = set()

    @asynccontextmanager
    async def open(self, client: ClientWire) -> AsyncIterator[Channel]:
        if self._target() is None:
            raise ConnectionRefusedError("the host of the server is down")
        async with connect("memory", id=client.id).open() as channel:
            self.connections += 1
            self._channels.add(channel)
            try:
                yield FaultyChannel(channel, reading=self._reading, writing=self._writing)
            finally:
                self._channels.discard(channel)

    def cut(self, after: int = 0) -> None:
        for channel in self._channels:
            self._tasks.start_soon(channel.aclose)
        # Whoever waits finds out.
        self.resume()

    def stall(self, *, up: bool, down: bool) -> None:
        if up:
            self._writing.close()
        if down:
            self._reading.close()

    def resume(self) -> None:
        self._writing.open()
        self._reading.open()


async def lay_line(who: Who, tasks: TaskGroup, port: Callable[[], int | None]) -> Line:
    """Lay a line for a client; it lasts as long as the tasks."""
    if who.wire == "memory":
        return MemoryLine(tasks, port)
    line = TcpLine(who.wire, who.lag, port)
    await tasks.start(line.run)
    return line


class LineClient(ClientWire):
    """A client at the end of a line."""

    def __init__(self, line: Line, **options: Any) -> None:
        super().__init__(**options)
        self._line = line

    @property
    def address(self) -> str:
        """Where the server is, for errors and log lines."""
        return f"the server of {self.id!r}"

    def open(self) -> AbstractAsyncContextManager[Channel]:
        """Open a new connection."""
        return self._line.open(self)
