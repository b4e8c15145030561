"""A room's view of one client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pycrdt import Awareness

from .access import Access
from .channel import Channel
from .deletions import deletes
from .extent import EMPTY_UPDATE, Extent
from .presence import Arrival, Presence, awareness_error, encode_states
from .protocol import (
    AwarenessEntry,
    Kind,
    encode_awareness,
    encode_denied,
    encode_entries,
    encode_step1,
)
from .replica import Replica
from .session import Session

__all__ = ["Member"]

READ_ONLY = "this client may not change the document"

AWARENESS_FRAMING = 64 * 1024
"""By how much a message may exceed what the states in it may take."""


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
            on_return: Called when the client shows up and may have been there before.
        """
        super().__init__(channel, replica, replica, awareness)
        self._presence = presence
        self._report_pressure = on_pressure
        self._report_return = on_return
        self._joined = presence.departures
        self._was_denied = False
        self._has_spoken = False
        self._client: int | None = None
        """The client that is at the other end, as far as is known."""

    def greet(self) -> None:
        """Ask for what the client has, and tell who is there."""
        self.tell(encode_step1(self._incoming.state()))
        self.on_query_awareness()

    def say_goodbye(self) -> None:
        """Say nothing more: the close code tells."""

    def on_awareness(self, entries: list[AwarenessEntry]) -> None:
        """Take in what the client says of those it speaks for."""
        arrival = None if self._has_spoken else self._arrival(entries)
        self._has_spoken = True
        self._presence.update(self, entries, max_size=self.channel.limits.max_awareness_size)
        if self._client is None and len(entries) == 1:
            self._note_client(entries[0].client)
        if arrival is not None:
            self._welcome(entries[0], arrival)

    def have_renewed(self) -> None:
        """Have the client tell its state anew, if it has one."""
        self._contain(self._renew)

    def on_query_awareness(self) -> None:
        """Tell who is there."""
        self._tell_states(list(self._awareness.states))

    def on_denied(self, reason: str) -> None:
        """Ignore it: only servers refuse changes."""
        self.unknown_messages += 1

    def on_pressure(self, pressed: bool) -> None:
        """Pass on whether something waits to be sent."""
        self._report_pressure(self, pressed)

    async def _converse(self) -> None:
        with self.channel.watching_access(self._on_access):
            await super()._converse()

    async def _parse_large(self, kind: Kind, payload: bytes) -> object:
        if kind is Kind.AWARENESS:
            # Refused before it is parsed; what is not large is refused by its states.
            limit = self.channel.limits.max_awareness_size
            if len(payload) > limit + AWARENESS_FRAMING:
                raise awareness_error(f"an awareness message of {len(payload)} bytes")
        return await super()._parse_large(kind, payload)

    def _on_step2(self, payload: bytes, extent: Extent) -> Awaitable[None] | None:
        if self._may_write:
            return super()._on_step2(payload, extent)
        if self._incoming.lacks(extent):
            self._deny()
        elif deletes(payload, extent):
            # A client answers with everything it has deleted, which mostly is no news.
            return self._look_for_deletions(payload, extent)
        return None

    async def _look_for_deletions(self, payload: bytes, extent: Extent) -> None:
        async with self._incoming.looking:
            known = await self._walk(self._incoming.walk_deletions())
        if not await self._walk(known.walk_lacking(payload, extent)):
            return
        if self._may_write:
            # Since a moment ago.
            super()._on_step2(payload, extent)
        else:
            self._deny()

    def _on_update(self, payload: bytes, extent: Extent) -> None:
        if self.channel.access is Access.READ_WRITE:
            self._incoming.receive(payload, extent, self)
        elif payload != EMPTY_UPDATE:
            self._deny()

    @property
    def _may_write(self) -> bool:
        return self.channel.access is Access.READ_WRITE

    def _deny(self) -> None:
        self._was_denied = True
        self.tell(encode_denied(READ_ONLY))

    def _on_access(self) -> None:
        if self.channel.refusal is not None:
            self.refuse(self.channel.refusal)
        elif self._may_write and self._was_denied:
            self._was_denied = False
            self.ask_again()

    def _arrival(self, entries: list[AwarenessEntry]) -> Arrival | None:
        return self._presence.arrival(self, entries, since=self._joined)

    def _note_client(self, client: int) -> None:
        """Take the first client that is told alone, and by this connection, for the peer."""
        if self._presence.entry(self, client) is not None:
            self._client = client

    def _welcome(self, entry: AwarenessEntry, arrival: Arrival) -> None:
        if arrival is not Arrival.UNCERTAIN:
            self._tell_renewal(entry)
        if arrival is not Arrival.NEW:
            departed = self._presence.recent_departures()
            self._tell_states([client for client in departed if client != entry.client])
            self._report_return()

    def _tell_states(self, clients: list[int]) -> None:
        for message in encode_states(self._awareness, clients):
            self.tell_awareness(message, clients)

    def _renew(self) -> None:
        entry = None if self._client is None else self._presence.entry(self, self._client)
        if entry is not None:
            self._tell_renewal(entry)

    def _tell_renewal(self, entry: AwarenessEntry) -> None:
        renewal = self._presence.renewal(entry)
        if renewal is not None:
            self.tell(encode_awareness(encode_entries([renewal])))
