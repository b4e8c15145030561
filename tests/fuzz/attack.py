"""Somebody who sends anything to a room, and comes back when they are thrown out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from anyio import BrokenResourceError, EndOfStream, fail_after

from tests.fuzz.stage import PATIENCE
from ycore import Channel, ClientWire
from ycore.protocol import encode_echo

__all__ = ["Attacker", "attacking"]


class Attacker:
    """Sends messages of whatever content, each in its turn."""

    def __init__(self, client: ClientWire, stack: AsyncExitStack) -> None:
        self._client = client
        self._stack = stack
        self._channel: Channel | None = None
        self._sent = 0

    async def send(self, *frames: bytes, patience: float = PATIENCE) -> int | None:
        """Send messages and wait until the server is done with them.

        Returns:
            None if the server has taken them, or the code with which it has closed.
        """
        # The scopes of a connection outlive this call, so they must not be entered inside another.
        channel = await self._connected()
        self._sent += 1
        # No frame of anybody else's: those of a mutated echo are shorter.
        echo = encode_echo(self._sent.to_bytes(64, "big"))
        try:
            with fail_after(patience):
                with suppress(BrokenResourceError):
                    for frame in (*frames, echo):
                        await channel.send(frame)
                while await channel.receive() != echo:
                    pass
        except (EndOfStream, BrokenResourceError):
            await self.leave()
            # 1006: cut off without a word.
            return channel.close_code or 1006
        return None

    async def leave(self) -> None:
        """Go away; the next message comes over a new connection."""
        self._channel = None
        await self._stack.aclose()

    async def _connected(self) -> Channel:
        if self._channel is None:
            self._channel = await self._stack.enter_async_context(self._client.open())
        return self._channel


@asynccontextmanager
async def attacking(client: ClientWire) -> AsyncIterator[Attacker]:
    """Give an attacker that uses the connections of a client, without its manners."""
    async with AsyncExitStack() as stack:
        yield Attacker(client, stack)
