"""A client's view of its server."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable

from anyio import Event
from pycrdt import Awareness

from .channel import Channel
from .presence import encode_states
from .protocol import AwarenessEntry, encode_entries, encode_step1, encode_update
from .replica import EMPTY_STATE, Replica
from .session import NORMAL, Session

__all__ = ["Uplink"]

logger = logging.getLogger("ycore.client")


class Uplink(Session):
    """A client's view of its server, for one connection."""

    def __init__(
        self,
        channel: Channel,
        local: Replica,
        remote: Replica,
        awareness: Awareness,
        *,
        on_push: Callable[[], None],
        on_synchronized: Callable[[], None],
    ) -> None:
        """Make an uplink.

        Args:
            channel: The connection.
            local: The user's document.
            remote: Where the server's changes are applied: the same, or one to pull from.
            awareness: The user's awareness.
            on_push: Called whenever local changes were sent.
            on_synchronized: Called once, when all that the server had has been applied.
        """
        super().__init__(channel, remote, local, awareness)
        self._on_push = on_push
        self._on_synchronized = on_synchronized
        self._farewell = (NORMAL, "")
        self._server_state: bytes | None = None
        self.has_answered = False
        """Whether the server has been told what it lacked; only changes follow."""
        self._questions = 0
        self._answers = 0
        self._answered = Event()

    async def run(self) -> None:
        """Talk until the connection ends; nobody waits for its answers then."""
        try:
            await super().run()
        finally:
            self._answers = -1
            self._answered.set()

    def greet(self) -> None:
        """Ask for what the server has, and show up."""
        self._ask_and_count()
        self._renew_local_state()

    def push(self) -> None:
        """Send the local changes that the server lacks, as far as it has asked already."""
        if self._server_state is not None:
            # Covers all changes until now.
            self._outgoing.take_change()
            self._outbox.put_answer(self._server_state)
            self._server_state, self.has_answered = None, True
            if self._outgoing.state() != EMPTY_STATE:
                self._on_push()
        elif self.has_answered and (change := self._outgoing.take_change()) is not None:
            self.tell_change(encode_update(change.update), change)
            self._on_push()

    def announce(self) -> None:
        """Tell the local awareness state."""
        client = self._awareness.client_id
        self.tell_awareness(encode_states(self._awareness, [client]), [client])

    async def round_trip(self) -> bool:
        """Wait until the server has applied all that was sent before.

        A server answers a step 1 after what came before it, so this works with any Yjs server.

        Returns:
            False if the connection ended first.
        """
        self._ask_and_count()
        question = self._questions
        while 0 <= self._answers < question:
            await self._answered.wait()
        return self._answers >= 0

    def answer(self, state: bytes) -> None:
        """Keep the server's question until the next push."""
        self._server_state = state

    def on_awareness(self, entries: list[AwarenessEntry]) -> None:
        """Take in what the server says of others; what it says of this client is corrected."""
        me = self._awareness.client_id
        others = [entry for entry in entries if entry.client != me]
        if others:
            self._awareness.apply_awareness_update(encode_entries(others), self)
        for entry in entries:
            if entry.client == me:
                self._correct(entry)

    def on_query_awareness(self) -> None:
        """Tell the local state."""
        self.announce()

    def on_pressure(self, pressed: bool) -> None:
        """Have changes recorded with the state before them, for differences."""
        self._outgoing.track_states = pressed

    def on_denied(self, reason: str) -> None:
        """Log that changes are not accepted."""
        logger.warning("%s does not accept changes: %s", self.channel.peer, reason)

    def _on_step2(self, payload: bytes) -> None:
        super()._on_step2(payload)
        self._incoming.defer(self._count_answer)

    def _ask_and_count(self) -> None:
        self._questions += 1
        self.tell(encode_step1(self._incoming.state()))

    def _ask(self) -> None:
        self._questions += 1
        super()._ask()

    def _count_answer(self) -> None:
        if self._answers < 0:
            return
        self._answers += 1
        if self._answers == 1:
            self._on_synchronized()
        self._answered.set()
        self._answered = Event()

    def _renew_local_state(self) -> None:
        """Raise the clock of the local state, if there is one: peers ignore known clocks."""
        state = self._awareness.get_local_state()
        clock = self._awareness.meta[self._awareness.client_id]["clock"]
        if state or (state is not None and clock > 0):
            self._awareness.set_local_state(copy.deepcopy(state))

    def _correct(self, entry: AwarenessEntry) -> None:
        """Tell the local state anew if somebody else told something newer of it."""
        meta = self._awareness.meta[self._awareness.client_id]
        is_news = entry.clock > meta["clock"] or (entry.clock == meta["clock"] and entry.is_removal)
        if is_news and self._awareness.get_local_state() is not None:
            meta["clock"] = entry.clock
            self._renew_local_state()
