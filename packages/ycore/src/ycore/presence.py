"""Who owns which awareness states.

A connection owns the ids that it brought. Nobody else can change or remove them, and when it ends
they are gone at once. What another connection says of an owned id is kept as its claim, and holds
as soon as the owner is gone: a client that comes back while its old connection is not yet known
to be dead stays visible.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from pycrdt import Awareness

from .errors import LimitReachedError
from .protocol import AwarenessEntry, encode_awareness, encode_entries

__all__ = ["Presence", "encode_states"]

MAX_OWNED = 10_000
"""One connection may not own more ids than this."""

MAX_DEPARTED = 10_000
"""The clocks of so many departed clients are remembered, lest an old message revive them."""


def encode_states(awareness: Awareness, clients: Iterable[int]) -> bytes:
    """Return the message that tells the states of some clients, gone ones included."""
    known = [client for client in clients if client in awareness.meta]
    return encode_awareness(awareness.encode_awareness_update(known))


class Presence:
    """Who owns which states of an awareness."""

    def __init__(self, awareness: Awareness) -> None:
        self._awareness = awareness
        self._owners: dict[int, object] = {}
        self._owned: dict[object, set[int]] = {}
        self._claims: dict[int, tuple[object, AwarenessEntry]] = {}

    def update(self, owner: object, entries: Iterable[AwarenessEntry]) -> None:
        """Take in what a connection says.

        Args:
            owner: The connection.
            entries: What it says.

        Raises:
            LimitReachedError: The connection brings too many ids.
        """
        accepted = [entry for entry in entries if self._accepts(owner, entry)]
        if len(self._owned.get(owner, ())) + len(accepted) > MAX_OWNED:
            raise LimitReachedError(f"more than {MAX_OWNED} awareness states of one connection")
        self._apply(owner, accepted)

    def leave(self, owner: object) -> None:
        """Remove the states of a connection that has ended, unless another one claims them."""
        self._claims = {
            client: claim for client, claim in self._claims.items() if claim[0] is not owner
        }
        left = list(self._owned.pop(owner, ()))
        for client in left:
            del self._owners[client]
        self._awareness.remove_awareness_states(left, owner)
        for claimant, entry in [self._claims.pop(c) for c in left if c in self._claims]:
            self._apply(claimant, [entry])
        self._forget_departed()

    def _accepts(self, owner: object, entry: AwarenessEntry) -> bool:
        """Whether an entry tells something new that its sender may tell."""
        meta = self._awareness.meta.get(entry.client)
        clock = 0 if meta is None else meta["clock"]
        if entry.is_removal:
            news = entry.clock >= clock and entry.client in self._awareness.states
        else:
            news = entry.clock > clock
        if not news or entry.client == self._awareness.client_id:
            return False
        if self._owners.get(entry.client, owner) is owner:
            return True
        if not entry.is_removal:
            self._claims[entry.client] = (owner, entry)
        return False

    def _apply(self, owner: object, entries: list[AwarenessEntry]) -> None:
        if not entries:
            return
        owned = self._owned.setdefault(owner, set())
        for entry in entries:
            if entry.is_removal:
                self._owners.pop(entry.client, None)
                owned.discard(entry.client)
            else:
                self._owners[entry.client] = owner
                owned.add(entry.client)
        self._awareness.apply_awareness_update(encode_entries(entries), owner)

    def _forget_departed(self) -> None:
        meta, states = self._awareness.meta, self._awareness.states
        excess = len(meta) - len(states) - MAX_DEPARTED
        if excess > 0:
            for client in list(islice((c for c in meta if c not in states), excess)):
                del meta[client]
