"""A client's channel that can be made to read nothing, and to take nothing."""

from __future__ import annotations

from tests.network.gate import Gate
from ycore import Channel, Limits

__all__ = ["FaultyChannel"]


class FaultyChannel(Channel):
    """Passes everything on to another channel, through gates."""

    def __init__(self, channel: Channel, *, reading: Gate, writing: Gate) -> None:
        self._channel = channel
        self._reading = reading
        self._writing = writing
        super().__init__(channel.id, peer=channel.peer, limits=channel.limits)

    async def send(self, message: bytes) -> None:
        await self._writing.wait()
        await self._channel.send(message)

    def send_nowait(self, message: bytes) -> bool:
        return self._writing.is_open and self._channel.send_nowait(message)

    async def receive(self) -> bytes:
        await self._reading.wait()
        return await self._channel.receive()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self._channel.aclose(code, reason)

    # What the wire wants to know, and what it tells.

    @property
    def limits(self) -> Limits:
        return self._channel.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._channel.limits = limits

    @property
    def close_code(self) -> int | None:
        return self._channel.close_code

    @close_code.setter
    def close_code(self, code: int | None) -> None:
        self._channel.close_code = code

    @property
    def close_reason(self) -> str:
        return self._channel.close_reason

    @close_reason.setter
    def close_reason(self, reason: str) -> None:
        self._channel.close_reason = reason
