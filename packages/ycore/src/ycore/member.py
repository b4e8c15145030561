"""A room's view of one client."""

from __future__ import annotations

from collections.abc import Callable

from pycrdt import Awareness

from .channel import Channel
from .presence import Presence, encode_states
from .protocol import AwarenessEntry, encode_awareness, encode_entries, encode_step1
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
        *,
        on_pressure: Callable[[Member, bool], None],
        on_return: Callable[[], None],
    ) -> None:
        """Make a member.

        Args:
            channel: The connection.
            replica: The room's document.
            awareness: The room's awareness.
            presence: Who owns which of its states.
            on_pressure: Called when something waits to be sent, and when nothing does any more.
            on_return: Called when the client shows up that had left before.
        """
        super().__init__(channel, replica, replica, awareness)
        self._presence = presence
        self._report_pressure = on_pressure
        self._report_return = on_return
        self._client: int | None = None
        """The id under which the client has shown up."""

    def greet(self) -> None:
        """Ask for what the client has, and tell who is there."""
        self.tell(encode_step1(self._incoming.state()))
        self.on_query_awareness()

    def on_awareness(self, entries: list[AwarenessEntry]) -> None:
        """Take in what the client says of those it speaks for."""
        shows_up = self._client is None and self._presence.is_introduction(self, entries)
        returns = shows_up and self._presence.has_left(entries[0].client)
        self._presence.update(self, entries)
        if shows_up:
            self._client = entries[0].client
            self._tell_renewal(entries[0])
        if returns:
            self._report_return()

    def have_renewed(self) -> None:
        """Have the client tell its state anew, if it has one."""
        entry = None if self._client is None else self._presence.entry(self, self._client)
        if entry is not None:
            self._tell_renewal(entry)

    def on_query_awareness(self) -> None:
        """Tell who is there."""
        clients = list(self._awareness.states)
        for message in encode_states(self._awareness, clients):
            self.tell_awareness(message, clients)

    def on_denied(self, reason: str) -> None:
        """Ignore it: only servers refuse changes."""
        self.unknown_messages += 1

    def _tell_renewal(self, entry: AwarenessEntry) -> None:
        self.tell(encode_awareness(encode_entries([self._presence.renewal(entry)])))

    def on_pressure(self, pressed: bool) -> None:
        """Pass on whether something waits to be sent."""
        self._report_pressure(self, pressed)
