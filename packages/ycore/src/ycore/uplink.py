"""A client's view of its server."""

from __future__ import annotations

import copy
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol

from anyio import Event
from pycrdt import Awareness

from .channel import Channel
from .codes import NORMAL
from .extent import Extent
from .presence import LocalState, encode_states, forget_departed
from .protocol import (
    MAX_AWARENESS_CLOCK,
    AwarenessEntry,
    encode_awareness,
    encode_entries,
    encode_step1,
    encode_update,
)
from .replica import EMPTY_STATE, Replica
from .session import Session

__all__ = ["Uplink"]

logger = logging.getLogger("ycore.client")

CHANCES = 3
"""So often a server may ask for what it did not accept before that is held to be in vain."""

SHOWN = 200
"""So many characters of what a server says are logged."""


class OnPush(Protocol):
    """Called whenever something local was sent."""

    def __call__(self, *, again: bool, in_vain: bool = False) -> None:
        """Take note of it.

        Args:
            again: Whether it was no change but content of before, which the server lacks.
            in_vain: Whether even this had been sent before, and has changed nothing there.
        """


class Uplink(Session):
    """A client's view of its server, for one connection."""

    def __init__(
        self,
        channel: Channel,
        local: Replica,
        remote: Replica,
        awareness: Awareness,
        local_state: LocalState,
        *,
        on_push: OnPush,
        on_synchronized: Callable[[], None],
        on_asked_again: Callable[[], None],
    ) -> None:
        """Make an uplink.

        Args:
            channel: The connection.
            local: The user's document.
            remote: Where the server's changes are applied: the same, or one to pull from.
            awareness: The user's awareness.
            local_state: The user's own state in it.
            on_push: Called whenever something local was sent.
            on_synchronized: Called once, when all that the server had has been applied.
            on_asked_again: Called when the server asks for changes that it did not accept before.
        """
        super().__init__(channel, remote, local, awareness)
        self._local_state = local_state
        self._on_push = on_push
        self._on_synchronized = on_synchronized
        self._on_asked_again = on_asked_again
        self._farewell = (NORMAL, "")
        self._server_state: bytes | None = None
        self.denied: str | None = None
        """What the server said to a change that it did not accept, if it has not asked since."""
        self.repeats = 0
        """How often the server has asked for what it did not accept."""
        self.last_denial = ""
        self._answered_state: bytes | None = None
        """What the server had when it asked last, if there were no changes since."""
        self.has_answered = False
        """Whether the server has been told what it lacked; only changes follow."""
        self._questions = 0
        self._answers = 0
        self._confirmations: deque[tuple[int, Callable[[], None]]] = deque()
        self._has_ended = False
        self._answered = Event()

    async def run(self) -> None:
        """Talk until the connection ends; nobody waits for its answers then."""
        try:
            await super().run()
        finally:
            self._has_ended = True
            self._answered.set()

    def greet(self) -> None:
        """Ask for what the server has, and show up."""
        self.ask_again()
        self._renew_local_state()

    def say_goodbye(self) -> None:
        """Remove the local state: not every server does, when a connection ends."""
        if self._local_state.is_shown:
            me = self._awareness.client_id
            entry = AwarenessEntry(me, self._awareness.meta[me]["clock"], "null")
            self.tell(encode_awareness(encode_entries([entry])))

    def push(self, *, unasked: bool = False) -> None:
        """Send the local changes that the server lacks.

        Args:
            unasked: Send everything although the server has not asked yet: some never do.
        """
        if self._server_state is None and unasked and not self.has_answered:
            self._server_state = EMPTY_STATE
        if self._server_state is not None:
            self._answer_server(self._server_state)
        elif self.has_answered:
            for change in self._outgoing.take_changes():
                self._answered_state = None
                self.tell_change(encode_update(change.update), change)
                self._on_push(again=False)

    def announce(self) -> None:
        """Tell the local awareness state, if the user has ever set one."""
        if self._local_state.is_shown:
            client = self._awareness.client_id
            for message in encode_states(self._awareness, [client]):
                self.tell_awareness(message, [client])

    async def round_trip(self) -> bool:
        """Wait until the server has applied all that was sent before.

        A server answers a step 1 after what came before it, so this works with any Yjs server.

        Returns:
            False if the connection ended first.
        """
        arrived = Event()
        self.confirm(arrived.set)
        while not (arrived.is_set() or self._has_ended):
            await self._answered.wait()
        return arrived.is_set()

    def confirm(self, action: Callable[[], None]) -> None:
        """Call something once the server has applied all that was sent before."""
        self._questions += 1
        self._confirmations.append((self._questions, action))
        self.tell_after_changes(encode_step1(self._incoming.state()))

    def answer(self, state: bytes) -> None:
        """Keep the server's question until the next push."""
        self._server_state = state
        if self.denied is not None:
            self._on_asked_again()

    def on_awareness(self, entries: list[AwarenessEntry]) -> None:
        """Take in what the server says of others; what it says of this client is corrected."""
        me = self._awareness.client_id
        others = [entry for entry in entries if entry.client != me]
        if others:
            self._awareness.apply_awareness_update(encode_entries(others), self)
            forget_departed(self._awareness)
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
        """Take note that changes are not accepted."""
        if self.denied is None:
            logger.warning("%s does not accept changes: %s", self.channel.peer, reason[:SHOWN])
        self.denied = self.last_denial = reason

    def _on_step2(self, payload: bytes, extent: Extent) -> Awaitable[None] | None:
        rest = super()._on_step2(payload, extent)
        self._incoming.defer(self._count_answer)
        return rest

    def _answer_server(self, state: bytes) -> None:
        """Answer the server's first question, or a later one: what it has is news then."""
        # The answer covers all changes until now.
        changed = bool(self._outgoing.take_changes())
        self._contain(self._outbox.put_answer, state)
        # State vectors tell nothing of deletions, and answers to earlier questions nothing of this.
        is_repeated = self.denied is not None
        self.repeats += is_repeated
        # Some servers ask all the time, and take nothing.
        is_insistent = not is_repeated or self.repeats > CHANCES
        in_vain = is_insistent and not changed and state == self._answered_state
        self._answered_state = state
        self._server_state, self.has_answered, self.denied = None, True, None
        if changed or is_repeated or not (in_vain or self._outgoing.is_covered_by(state)):
            self._on_push(again=not changed, in_vain=in_vain)

    def _ask(self) -> None:
        self._questions += 1
        super()._ask()

    def _count_answer(self) -> None:
        if self._has_ended:
            return
        self._answers += 1
        if self._answers == 1:
            self._on_synchronized()
        while self._confirmations and self._confirmations[0][0] <= self._answers:
            self._confirmations.popleft()[1]()
        self._answered.set()
        self._answered = Event()

    def _renew_local_state(self) -> None:
        """Raise the clock of the local state, if there is one: peers ignore known clocks."""
        state = self._awareness.get_local_state()
        if state is not None and self._local_state.is_shown:
            self._awareness.set_local_state(copy.deepcopy(state))

    def _correct(self, entry: AwarenessEntry) -> None:
        """Tell the local state anew if somebody else told something newer of it."""
        meta = self._awareness.meta[self._awareness.client_id]
        is_news = entry.clock > meta["clock"] or (entry.clock == meta["clock"] and entry.is_removal)
        if entry.clock > MAX_AWARENESS_CLOCK // 2:
            # To go above it would end where no clock is accepted any more.
            logger.warning("%s tells nonsense of this client's awareness", self.channel.peer)
        elif is_news and self._awareness.get_local_state() is not None:
            meta["clock"] = entry.clock
            self._renew_local_state()
