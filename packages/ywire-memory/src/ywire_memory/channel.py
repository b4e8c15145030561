"""Two channels that are each other's ends, on two bounded streams."""

from __future__ import annotations

from anyio import WouldBlock, create_memory_object_stream
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ycore import Channel, Credentials, MessageTooLargeError

__all__ = ["MemoryChannel", "channel_pair"]

CAPACITY = 64
"""So many messages fit between the two ends, in each direction."""


class MemoryChannel(Channel):
    """One end of a connection inside an event loop."""

    def __init__(
        self,
        id: str,  # noqa: A002
        outgoing: MemoryObjectSendStream[bytes],
        incoming: MemoryObjectReceiveStream[bytes],
        peer: str,
        credentials: Credentials | None = None,
    ) -> None:
        super().__init__(id, peer=peer, credentials=credentials)
        self._outgoing = outgoing
        self._incoming = incoming
        self._other: MemoryChannel | None = None

    async def send(self, message: bytes) -> None:
        """Send a message; see `Channel.send`."""
        self._check_size(message)
        await self._outgoing.send(message)

    def send_nowait(self, message: bytes) -> bool:
        """Send a message if there is room; see `Channel.send_nowait`."""
        self._check_size(message)
        try:
            self._outgoing.send_nowait(message)
        except WouldBlock:
            return False
        return True

    async def receive(self) -> bytes:
        """Wait for a message; see `Channel.receive`.

        Lets other tasks run only when it has to wait: what has piled up is taken in one turn.
        """
        try:
            message = self._incoming.receive_nowait()
        except WouldBlock:
            message = await self._incoming.receive()
        self._check_size(message)
        return message

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close this end; see `Channel.aclose`."""
        if self._other is not None:
            self._other.close_code, self._other.close_reason = code, reason
            self._other = None
        self._outgoing.close()
        self._incoming.close()
        await checkpoint()

    def _check_size(self, message: bytes) -> None:
        if len(message) > self.limits.max_message_size:
            raise MessageTooLargeError(len(message), self.limits.max_message_size)


def channel_pair(
    id: str,  # noqa: A002
    server_name: str,
    credentials: Credentials,
) -> tuple[MemoryChannel, MemoryChannel]:
    """Return the two ends of a new connection: the client's and the server's."""
    to_server, from_client = create_memory_object_stream[bytes](CAPACITY)
    to_client, from_server = create_memory_object_stream[bytes](CAPACITY)
    client = MemoryChannel(id, to_server, from_server, peer=f"memory {server_name!r}")
    peer = f"memory client of {server_name!r}"
    server = MemoryChannel(id, to_client, from_client, peer, credentials)
    client._other, server._other = server, client  # noqa: SLF001 - the same class's
    return client, server
