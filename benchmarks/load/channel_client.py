"""A client on a channel of any of our own wires: slower than one on a bare websocket."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from anyio import BrokenResourceError, EndOfStream

from benchmarks.load.client import Client
from ycore import Channel, connect

__all__ = ["ChannelClient", "ChannelLine"]


class ChannelLine:
    """How to get to a server of ours."""

    def __init__(self, wire: str, **options: Any) -> None:
        """Note the wire, and what its clients need to find the server."""
        self._wire = wire
        self._options = options

    async def connect(self, name: str, room: str, *, buffer_size: int = 0) -> ChannelClient:
        """Connect a client; the size of the system's buffer is up to the wire."""
        client = ChannelClient(name, room, self._wire, self._options)
        await client.opened
        return client


class ChannelClient(Client):
    """One channel, in the hands of a task of its own."""

    def __init__(self, name: str, room: str, wire: str, options: dict[str, Any]) -> None:
        """Begin to connect; see `Client`."""
        super().__init__(name, room)
        self.opened: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self._ends: list[int] = []
        """Where each frame ends in what was received."""
        self._outbox: deque[bytes] = deque()
        self._is_awake = asyncio.Event()
        self._is_awake.set()
        self._sending: asyncio.Task[None] | None = None
        self._reading = asyncio.create_task(self._run(wire, options))

    def frame(self, message: bytes) -> bytes:
        """See `Client.frame`."""
        return message

    def send(self, frame: bytes) -> None:
        """See `Client.send`; what the channel does not take now waits, in order."""
        if self._outbox or not self.opened.result().send_nowait(frame):
            self._outbox.append(frame)
            if self._sending is None or self._sending.done():
                self._sending = asyncio.create_task(self._send_waiting())

    def messages(self) -> Iterator[tuple[bytes, int]]:
        """See `Client.messages`."""
        start = 0
        for end in self._ends:
            yield bytes(self.received[start:end]), end
            start = end

    def pause(self) -> None:
        """See `Client.pause`; what is being received still comes."""
        self._is_awake.clear()

    def resume(self) -> None:
        """See `Client.resume`."""
        self._is_awake.set()

    async def leave(self) -> None:
        """See `Client.leave`."""
        for task in (self._sending, self._reading):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _run(self, wire: str, options: dict[str, Any]) -> None:
        try:
            async with connect(wire, id=self.room, **options).open() as channel:
                self.opened.set_result(channel)
                with suppress(EndOfStream, BrokenResourceError):
                    await self._read(channel)
            self.lose("the connection ended")
        except OSError as exc:
            self.lose(f"{type(exc).__name__}: {exc}")
            if not self.opened.done():
                self.opened.set_exception(exc)

    async def _read(self, channel: Channel) -> None:
        while True:
            await self._is_awake.wait()
            frame = await channel.receive()
            # Before anybody is told that it came.
            self._ends.append(len(self.received) + len(frame))
            self.take(frame)

    async def _send_waiting(self) -> None:
        while self._outbox:
            await self.opened.result().send(self._outbox[0])
            self._outbox.popleft()
