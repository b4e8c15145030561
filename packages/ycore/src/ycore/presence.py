"""Who owns which awareness states.

A connection owns the ids that it brought. Nobody else can change or remove them, and when it ends
they are gone at once. What another connection says of an owned id is kept as its claim, and holds
as soon as the owner is gone: a client that comes back while its old connection is not yet known
to be dead stays visible.

A state counts only with a higher clock than the known one. But y-websocket's clients do not raise
theirs when they come back, so those who saw them leave would not see them return; and they forget
the states of others when they lose their connection, but not the clocks, so they would not see
those who had stayed. Both would last until the next renewal, up to 15 s (y-protocols,
``awareness.js``). Hence the room has a client renew its state: see `Presence.renewal`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from pycrdt import Awareness

from .errors import LimitReachedError
from .protocol import AwarenessEntry, encode_awareness, encode_entries

__all__ = ["LocalState", "Presence", "encode_state", "encode_states"]

MAX_OWNED = 10_000
"""One connection may not own more ids than this."""

MAX_OWNED_BYTES = 1024 * 1024
"""The states of one connection may not take more than this together."""

MESSAGE_BYTES = 16 * 1024
"""A message takes no further state beyond so many bytes."""

MAX_DEPARTED = 10_000
"""The clocks of so many departed clients are remembered, lest an old message revive them."""


def encode_states(awareness: Awareness, clients: Iterable[int]) -> Iterator[bytes]:
    """Yield the messages that tell the states of some clients, gone ones included.

    Few messages, but none that grows with the number of clients.
    """
    entries: list[AwarenessEntry] = []
    size = 0
    for client in clients:
        if client not in awareness.meta:
            continue
        state = encode_state(awareness.states.get(client))
        entry = AwarenessEntry(client, awareness.meta[client]["clock"], state)
        if entries and size + len(state.encode()) > MESSAGE_BYTES:
            yield encode_awareness(encode_entries(entries))
            entries, size = [], 0
        entries.append(entry)
        size += len(state.encode())
    if entries:
        yield encode_awareness(encode_entries(entries))


def encode_state(state: object) -> str:
    """Return a state as JSON.

    Raises:
        ValueError: It holds NaN or an infinity, which JSON does not have.
        TypeError: It holds something else that JSON does not have.
    """
    text = json.dumps(state, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair: only its escape can travel.
        return json.dumps(state, separators=(",", ":"), allow_nan=False)
    return text


class LocalState:
    """The local state of an awareness, which the user may set to anything."""

    def __init__(self, awareness: Awareness) -> None:
        self._awareness = awareness
        self._last = "null"
        self.is_shown = False
        """Whether the user has ever set a state: pycrdt begins with an empty one, and renews it."""
        self.check()

    def check(self) -> None:
        """Take note of the state, if it can be told; undo it otherwise, for it would be told later.

        Raises:
            ValueError: It holds NaN or an infinity, which JSON does not have.
            TypeError: It holds something else that JSON does not have.
        """
        state = self._awareness.get_local_state()
        try:
            self._last = encode_state(state)
            self.is_shown = self.is_shown or state not in (None, {})
        except (ValueError, TypeError):
            self._awareness.states[self._awareness.client_id] = json.loads(self._last)
            raise


class Presence:
    """Who owns which states of an awareness."""

    def __init__(self, awareness: Awareness) -> None:
        self._awareness = awareness
        self._owners: dict[int, object] = {}
        self._owned: dict[object, dict[int, int]] = {}
        """For each connection the ids that it owns, with the size of their states in bytes."""
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
        sizes = dict(self._owned.get(owner, {}))
        sizes.update((entry.client, len(entry.state.encode())) for entry in accepted)
        if len(sizes) > MAX_OWNED or sum(sizes.values()) > MAX_OWNED_BYTES:
            raise LimitReachedError(
                f"more than {MAX_OWNED} awareness states, or {MAX_OWNED_BYTES} bytes of them"
            )
        self._apply(owner, accepted)

    def leave(self, owner: object) -> None:
        """Remove the states of a connection that has ended, unless another one claims them."""
        self._claims = {
            client: claim for client, claim in self._claims.items() if claim[0] is not owner
        }
        left = list(self._owned.pop(owner, {}))
        for client in left:
            del self._owners[client]
        self._awareness.remove_awareness_states(left, owner)
        for claimant, entry in [self._claims.pop(c) for c in left if c in self._claims]:
            self.update(claimant, [entry])

    def is_introduction(self, owner: object, entries: Sequence[AwarenessEntry]) -> bool:
        """Whether a connection tells the state of one client, its own as far as is known."""
        if len(entries) != 1 or entries[0].is_removal:
            return False
        client = entries[0].client
        return client != self._awareness.client_id and self._owners.get(client, owner) is owner

    def has_left(self, client: int) -> bool:
        """Whether a client was there before, and is not any more."""
        return client in self._awareness.meta and client not in self._awareness.states

    def entry(self, owner: object, client: int) -> AwarenessEntry | None:
        """Return what a connection has told of a client that it owns, if it owns it."""
        if self._owners.get(client) is not owner:
            return None
        state = encode_state(self._awareness.states[client])
        return AwarenessEntry(client, self._awareness.meta[client]["clock"], state)

    def renewal(self, entry: AwarenessEntry) -> AwarenessEntry:
        """Return what to tell a client of itself to have it tell its state anew, with a new clock.

        Every awareness of Yjs tells on what is news to it, of itself too. A state of its own with
        the next clock changes nothing else. If that clock is behind the known one, the client may
        have a newer state, which must not be overwritten: it is told that it has left, which it
        denies.

        Args:
            entry: What the client has told of itself.
        """
        meta = self._awareness.meta.get(entry.client)
        if meta is not None and meta["clock"] > entry.clock:
            return entry._replace(clock=meta["clock"], state="null")
        return entry._replace(clock=entry.clock + 1)

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
        elif self._claims.get(entry.client, (None,))[0] is owner:
            del self._claims[entry.client]
        return False

    def _apply(self, owner: object, entries: list[AwarenessEntry]) -> None:
        if not entries:
            return
        owned = self._owned.setdefault(owner, {})
        for entry in entries:
            if entry.is_removal:
                self._owners.pop(entry.client, None)
                owned.pop(entry.client, None)
            else:
                self._owners[entry.client] = owner
                owned[entry.client] = len(entry.state.encode())
        self._awareness.apply_awareness_update(encode_entries(entries), owner)

    def forget_departed(self) -> None:
        """Forget who left long ago; to be called once everybody was told who left."""
        meta, states = self._awareness.meta, self._awareness.states
        excess = len(meta) - len(states) - MAX_DEPARTED
        if excess > 0:
            for client in list(islice((c for c in meta if c not in states), excess)):
                del meta[client]
