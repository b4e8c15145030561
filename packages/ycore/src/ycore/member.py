"""A room's view of one client."""

from __future__ import annotations

from collections.abc import Callable

from pycrdt import Awareness

from .channel import Channel
from .presence import Presence, encode_states
from .protocol import AwarenessEntry, encode_step1
from .replica import Replica
from .session import Session

__all__ = ["Member"]


class Member(Session):
    """A room's view of one client."""

    def __init__(
        self,
        channel: Channel,
        replica: Replica,
        awareness: Awareness,
        presence: Presence,
        on_pressure: Callable[[Member, bool], None],
    ) -> None:
        super().__init__(channel, replica, replica, awareness)
        self._presence = presence
        self._report_pressure = on_pressure

    def greet(self) -> None:
        """Ask for what the client has, and tell who is there."""
        self.tell(encode_step1(self._incoming.state()))
        self.on_query_awareness()

    def on_awareness(self, entries: list[AwarenessEntry]) -> None:
        """Take in what the client says of those it speaks for."""
        self._presence.update(self, entries)

    def on_query_awareness(self) -> None:
        """Tell who is there."""
        clients = list(self._awareness.states)
        for message in encode_states(self._awareness, clients):
            self.tell_awareness(message, clients)

    def on_denied(self, reason: str) -> None:
        """Ignore it: only servers refuse changes."""
        self.unknown_messages += 1

    def on_pressure(self, pressed: bool) -> None:
        """Pass on whether something waits to be sent."""
        self._report_pressure(self, pressed)
