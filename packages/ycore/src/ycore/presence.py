"""Who owns which awareness states.

A connection owns the ids that it brought. Nobody else can change or remove them, and when it ends
they are gone at once. What another connection says of an owned id is kept as its claim, and holds
as soon as the owner is gone: a client that comes back while its old connection is not yet known
to be dead stays visible.

A state counts only with a higher clock than the known one. But y-websocket's clients do not raise
theirs when they come back, so those who saw them leave would not see them return; and they forget
the states of others when they lose their connection, but not the clocks, so they would not see
those who had stayed. Both would last until the next renewal, up to 15 s (y-protocols,
``awareness.js``). Hence the room has a client renew its state when its connection introduces it,
and everybody when somebody returns: see `Presence.arrival` and `Presence.renewal`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from itertools import islice

from pycrdt import Awareness

from .codes import MESSAGE_TOO_BIG
from .errors import LimitReachedError
from .limits import Limits
from .protocol import MAX_AWARENESS_CLOCK, AwarenessEntry, encode_awareness, encode_entries

__all__ = [
    "Arrival",
    "LocalState",
    "Presence",
    "awareness_error",
    "encode_state",
    "encode_states",
    "forget_departed",
]

MAX_OWNED = 10_000
"""One connection may not own more ids than this."""

MESSAGE_BYTES = 16 * 1024
"""A message takes no further state beyond so many bytes."""

RECENT_DEPARTURES = 100
"""A client that comes back is told of so many who have left."""

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


def forget_departed(awareness: Awareness, *, kept: int | None = None) -> list[int]:
    """Forget the clocks of clients that have left; return whose.

    A clock that is remembered keeps an old message from reviving a client. But who comes back with
    a lower one is not seen, and only a room that has the clock too can have it raised: so a client
    forgets them all with its connection.

    Args:
        awareness: Where they are.
        kept: How many to keep; `MAX_DEPARTED` by default.
    """
    meta, states = awareness.meta, awareness.states
    excess = len(meta) - len(states) - (MAX_DEPARTED if kept is None else kept)
    if excess <= 0:
        return []
    departed = (client for client in meta if client not in states)
    forgotten = [client for client in islice(departed, excess) if client != awareness.client_id]
    for client in forgotten:
        del meta[client]
    return forgotten


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
            if self._last == "null":
                del self._awareness.states[self._awareness.client_id]
            else:
                self._awareness.states[self._awareness.client_id] = json.loads(self._last)
            raise


class Arrival(Enum):
    """How the first awareness message of a connection introduces a client."""

    NEW = auto()
    """Nobody in the room has seen it, as far as the room knows."""

    RETURN = auto()
    """It had left before the connection was made."""

    UNCERTAIN = auto()
    """Its old connection stands, or has only just ended; or somebody else tells on its state."""


class Presence:
    """Who owns which states of an awareness."""

    def __init__(self, awareness: Awareness) -> None:
        self.departures = 0
        """So many clients have left so far."""
        self._awareness = awareness
        self._owners: dict[int, object] = {}
        self._claims: dict[int, tuple[object, AwarenessEntry]] = {}
        self._sizes: dict[object, dict[int, int]] = {}
        """For each connection what it owns or claims, with the size of the state in bytes."""
        self._departed: dict[int, int] = {}
        """How many had left before a client that has left; the latest comes last."""

    def update(
        self,
        owner: object,
        entries: Iterable[AwarenessEntry],
        *,
        max_size: int = Limits.max_awareness_size,
    ) -> None:
        """Take in what a connection says.

        Args:
            owner: The connection.
            entries: What it says.
            max_size: What the states of the connection may take together, in bytes.

        Raises:
            LimitReachedError: The connection brings too many states, or too large ones.
        """
        news = [entry for entry in entries if self._is_news(entry)]
        self._check_limits(owner, news, max_size)
        for entry in news:
            if not self._is_free(owner, entry.client):
                self._claim(owner, entry)
        self._apply(owner, [entry for entry in news if self._is_free(owner, entry.client)])

    def leave(self, owner: object) -> None:
        """Remove the states of a connection that has ended, unless another one claims them."""
        told = self._sizes.pop(owner, {})
        left = [client for client in told if self._owners.get(client) is owner]
        for client in told.keys() - set(left):
            del self._claims[client]
        try:
            self._awareness.remove_awareness_states(left, owner)
        finally:
            for client in left:
                self._note_departure(client)
        for client in left:
            self._give_to_claimant(client)

    def arrival(
        self, owner: object, entries: Sequence[AwarenessEntry], *, since: int
    ) -> Arrival | None:
        """Return how the first awareness message of a connection introduces a client, if it does.

        Yjs's clients begin with their own state and nothing else, unless they have none: then the
        first thing they tell is what they have heard of others.

        Args:
            owner: The connection.
            entries: What it says.
            since: The number of departures when the connection was made.
        """
        if len(entries) != 1 or entries[0].is_removal or self._is_own(entries[0].client):
            return None
        client = entries[0].client
        if not self._is_free(owner, client) or self._departed.get(client, -1) >= since:
            return Arrival.UNCERTAIN
        return Arrival.RETURN if client in self._departed else Arrival.NEW

    def entry(self, owner: object, client: int) -> AwarenessEntry | None:
        """Return what a connection has told of a client that it owns, if it owns it."""
        if self._owners.get(client) is not owner or client not in self._awareness.states:
            return None
        state = encode_state(self._awareness.states[client])
        return AwarenessEntry(client, self._awareness.meta[client]["clock"], state)

    def renewal(self, entry: AwarenessEntry) -> AwarenessEntry | None:
        """Return what to tell a client of itself to have it tell its state anew, with a new clock.

        Every awareness of Yjs takes in what is news to it and tells it on, of itself too. So it is
        told its own state with the next clock, which replaces the state by a copy in JSON. If that
        clock is behind the known one, the client may have a newer state, which must not be
        overwritten: then it is told that it has left, which it denies.

        Args:
            entry: What the client has told of itself.

        Returns:
            What to tell it, or None if the clocks leave no room for that.
        """
        known = self._awareness.meta.get(entry.client, {"clock": 0})["clock"]
        if max(known, entry.clock) > MAX_AWARENESS_CLOCK // 2:
            # Nonsense that somebody has told of it: to go above would end where none is accepted.
            return None
        if known > entry.clock:
            return entry._replace(clock=known, state="null")
        return entry._replace(clock=entry.clock + 1)

    def recent_departures(self) -> list[int]:
        """Return who has left of late.

        @y/websocket 4.0.0-3 takes in what still arrives when it has disconnected and forgotten
        everybody, so it may come back with states of those who have left meanwhile.
        """
        return list(islice(reversed(self._departed), RECENT_DEPARTURES))

    def forget_departed(self) -> None:
        """Forget who left long ago; to be called once everybody was told who left."""
        for client in forget_departed(self._awareness):
            self._departed.pop(client, None)

    def _is_news(self, entry: AwarenessEntry) -> bool:
        """Whether an entry tells something new, of somebody else than this side."""
        if self._is_own(entry.client):
            return False
        meta = self._awareness.meta.get(entry.client)
        clock = 0 if meta is None else meta["clock"]
        if entry.is_removal:
            return entry.clock >= clock and entry.client in self._awareness.states
        return entry.clock > clock

    def _is_own(self, client: int) -> bool:
        """Whether the state of a client is this side's, for only connections have others."""
        is_shown_here = client in self._awareness.states and client not in self._owners
        return is_shown_here or client == self._awareness.client_id

    def _is_free(self, owner: object, client: int) -> bool:
        return self._owners.get(client, owner) is owner

    def _check_limits(self, owner: object, news: list[AwarenessEntry], max_size: int) -> None:
        sizes = dict(self._sizes.get(owner, {}))
        sizes.update((entry.client, _size(entry)) for entry in news)
        if len(sizes) > MAX_OWNED:
            raise awareness_error(f"more than {MAX_OWNED} awareness states")
        if sum(sizes.values()) > max_size:
            raise awareness_error(f"awareness states of more than {max_size} bytes")

    def _apply(self, owner: object, entries: list[AwarenessEntry]) -> None:
        if not entries:
            return
        try:
            self._awareness.apply_awareness_update(encode_entries(entries), owner)
        finally:
            # An observer may have raised, and entries may contradict each other: what counts is
            # what is in the awareness now.
            for entry in entries:
                self._note(owner, entry)
        for entry in entries:
            if entry.client not in self._owners:
                self._give_to_claimant(entry.client)

    def _note(self, owner: object, entry: AwarenessEntry) -> None:
        if entry.client in self._awareness.states:
            self._owners[entry.client] = owner
            if self._claims.get(entry.client, (None,))[0] is owner:
                del self._claims[entry.client]
            self._sizes.setdefault(owner, {})[entry.client] = _size(entry)
            self._departed.pop(entry.client, None)
        else:
            self._sizes.get(owner, {}).pop(entry.client, None)
            self._note_departure(entry.client)

    def _note_departure(self, client: int) -> None:
        self._owners.pop(client, None)
        self._departed.pop(client, None)
        self._departed[client] = self.departures
        self.departures += 1

    def _claim(self, owner: object, entry: AwarenessEntry) -> None:
        claimant, _ = self._claims.get(entry.client, (None, None))
        if entry.is_removal and claimant is not owner:
            return
        if claimant is not None:
            del self._claims[entry.client]
            del self._sizes[claimant][entry.client]
        if not entry.is_removal:
            self._claims[entry.client] = (owner, entry)
            self._sizes.setdefault(owner, {})[entry.client] = _size(entry)

    def _give_to_claimant(self, client: int) -> None:
        claimant, entry = self._claims.pop(client, (None, None))
        if entry is None:
            return
        del self._sizes[claimant][client]
        if self._is_news(entry):
            self._apply(claimant, [entry])


def awareness_error(what: str) -> LimitReachedError:
    """Return the error for too much awareness; to come back with the same would not help."""
    text = f"{what} (the option max_awareness_size)"
    return LimitReachedError(text, limit="max_awareness_size", code=MESSAGE_TOO_BIG)


def _size(entry: AwarenessEntry) -> int:
    return len(entry.state.encode())
