"""What an operator wants to know of a server, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ServerStats", "Traffic"]


@dataclass(slots=True)
class Traffic:
    """What has gone over a connection, or over many, in messages of the Yjs protocol."""

    messages_received: int = 0
    bytes_received: int = 0
    messages_sent: int = 0
    bytes_sent: int = 0

    def add(self, other: Traffic) -> None:
        """Add what went over another connection."""
        self.messages_received += other.messages_received
        self.bytes_received += other.bytes_received
        self.messages_sent += other.messages_sent
        self.bytes_sent += other.bytes_sent


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStats:
    """A server at one moment, and since it was made."""

    rooms: int
    """Rooms that exist now, those that are loading or closing included; shared ones too."""

    clients: int
    """Connections now, those that wait to be let in or for their room included."""

    clients_behind: int
    """Connections for which something waits to be sent."""

    connections: int
    """Connections that got into a room, since the server was made."""

    messages_received: int
    """Messages from clients, since the server was made."""

    bytes_received: int
    """The size of those messages, in bytes, without the frames around them."""

    messages_sent: int
    """Messages to clients, since the server was made."""

    bytes_sent: int
    """The size of those messages, in bytes, without the frames around them."""

    refusals: Mapping[str, int]
    """How many clients were not let in, by the reason, since the server was made.

    The name of an option is a limit that was reached.
    """

    drops: Mapping[str, int]
    """How many clients were let in and dropped later, by the reason, since the server was made."""
