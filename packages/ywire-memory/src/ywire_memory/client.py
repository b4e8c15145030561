"""The client side of the memory wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Unpack

from anyio import WouldBlock

from ycore import Channel, ClientOptions, ClientWire, Credentials

from .channel import channel_pair
from .server import listening

__all__ = ["MemoryClient"]


class MemoryClient(ClientWire):
    """Connects to a server of the same event loop."""

    def __init__(self, *, name: str = "", **options: Unpack[ClientOptions]) -> None:
        """Make a client.

        Args:
            name: The server's name.
            options: See `ClientOptions`.
        """
        super().__init__(**options)
        self.name = name

    @property
    def address(self) -> str:
        """The server's name."""
        return f"memory server {self.name!r}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        """Open a connection; see `ClientWire.open`.

        Raises:
            ConnectionError: No server of this name is bound in this event loop.
        """
        credentials = Credentials(token=await self.get_token())
        acceptor = listening().get(self.name)
        if acceptor is None:
            raise ConnectionRefusedError(
                f'no memory server of this name is bound in this event loop; bind("memory"'
                f"{f', name={self.name!r}' if self.name else ''}) first"
            )
        ours, theirs = channel_pair(self.id, self.name, credentials)
        try:
            acceptor.send_nowait(theirs)
        except WouldBlock:
            raise ConnectionRefusedError("too many clients wait to be accepted") from None
        try:
            yield ours
        finally:
            await ours.aclose()
