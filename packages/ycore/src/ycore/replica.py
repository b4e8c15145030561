"""A document between the network and its user, both seen turn by turn of the event loop.

What the network brings is collected and applied in one transaction per turn. What changes the
document is recorded as it happens and taken once per turn, as one update. So a flood of
keystrokes costs one transaction and one message per turn, and a lone keystroke waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

from anyio import Event, Lock
from anyio.lowlevel import checkpoint
from pycrdt import Doc, TransactionEvent, merge_updates

from .codes import INVALID_DATA
from .deletions import Deletions, walk_deletions
from .errors import DocumentError, ProtocolError
from .extent import EMPTY_UPDATE, Clocks, Extent, exceeds
from .gaps import Gaps
from .panics import translating_panics
from .received import Received, Source
from .updates import check_update, decode_state_vector, walk_update

__all__ = ["EMPTY_STATE", "LARGE", "Change", "Replica", "Signal", "Source"]

EMPTY_STATE = b"\x00"
"""The state vector of an empty document."""

MERGE_LIMIT = 8
"""So many changes of one turn are recorded one by one; after that a difference is cheaper."""

BATCH_LIMIT = 500
"""So many updates go into one transaction: pycrdt slows down in longer ones."""

BATCH_BYTES = 64 * 1024
"""What is applied or told together takes no further update beyond this: a message that is made
of several must not exceed the limit that each of them kept."""
LARGE = 256 * 1024
"""What is larger takes so long to check, in bytes, that others would notice."""

Item = TypeVar("Item")


class Change(NamedTuple):
    """What happened to the document in one turn."""

    update: bytes
    before: bytes | None
    """The state vector before the change, if `Replica.track_states` was set."""


class _Nobody(Source):
    def refuse(self, error: Exception) -> None:
        raise error

    def ask_again(self) -> None:
        raise AssertionError("there is nobody to ask")


class Signal:
    """An event that resets itself when it has woken its one waiter."""

    __slots__ = ("_event", "_is_set")

    def __init__(self) -> None:
        self._is_set = False
        self._event: Event | None = None
        """What the waiter waits for; there is none while nobody waits, for it is large."""

    def set(self) -> None:
        """Wake the waiter, now or when it comes to wait."""
        if not self._is_set:
            self._is_set = True
            if self._event is not None:
                self._event.set()

    async def wait(self) -> None:
        """Wait until the signal has been set since the last time."""
        if self._is_set:
            await checkpoint()
        else:
            event = self._event = Event()
            try:
                await event.wait()
            finally:
                if self._event is event:
                    self._event = None
        self._is_set = False


class Replica:
    """One document: what arrives for it, and what it has to tell."""

    def __init__(
        self,
        doc: Doc[Any],
        signal: Signal,
        *,
        relay: bool,
        on_received: Callable[[], None] | None = None,
    ) -> None:
        """Make a replica; it sees changes inside `observing()` only.

        Args:
            doc: The document.
            signal: What to set when there is something to do in the next turn.
            relay: Whether changes that `apply` makes are told like those the user makes.
            on_received: Called instead when an update has arrived.
        """
        self.doc = doc
        self.signal = signal
        self.track_states = False
        """Whether to take a change's state vector too: some reader will need a difference."""
        self._relay = relay
        self._on_received = on_received or signal.set
        self._gaps = Gaps(doc)
        self._inbox: list[Received] = []
        self._deferred: list[Callable[[], None]] = []
        self._updates: list[bytes] = []
        self._before: bytes | None = None
        self._difference_since: bytes | None = None
        self._applying = False
        self._applied: bytes | None = None
        self._whole: bytes | None = None
        self._deletions: Deletions | None = None

    @contextmanager
    def observing(self) -> Iterator[None]:
        """Record the changes of the document for the duration of the block."""
        self._gaps.note_change()
        subscription = self.doc.observe(self._observe)
        try:
            yield
        finally:
            # A subscription keeps the document alive for ever.
            self.doc.unobserve(subscription)

    def receive(
        self, update: bytes, extent: Extent, source: Source, *, complete: bool = False
    ) -> None:
        """Keep an update that arrived for the next turn.

        Args:
            update: The update, which was checked.
            extent: What `check_update` told of it.
            source: Where it came from, to be told if it cannot be applied.
            complete: Whether it is all that the source has: no use to ask it for more.
        """
        self._inbox.append(Received(update, extent, source, complete))
        self._on_received()

    def defer(self, action: Callable[[], None]) -> None:
        """Call something once all that was received before has been applied."""
        self._deferred.append(action)
        self.signal.set()

    def apply(self) -> bool:
        """Apply what was received, and tell the sources what could not be.

        Returns:
            Whether the document changed.

        Raises:
            DocumentError: pycrdt failed inside; the document must not be used any more.
        """
        changed = False
        while self._inbox:
            inbox, self._inbox = self._inbox, []
            for batch in _portions(inbox, _size):
                self._compare(self._apply_in_one_transaction(batch))
                changed = changed or self._applied is not None
        self._inbox = self._gaps.release()
        if self._inbox:
            # What they free has its turn later still: others have theirs in between.
            self.signal.set()
        return changed

    def merge(self, other: Replica) -> None:
        """Apply what another replica has and this one lacks."""
        update = other.update_since(self.state())
        extent = Extent(decode_state_vector(other.state()))
        self._inbox.append(Received(update, extent, _Nobody(), complete=True))
        while self.has_received:
            self.apply()

    def run_deferred(self) -> None:
        """Call what was deferred until now."""
        deferred, self._deferred = self._deferred, []
        for action in deferred:
            action()

    def take_changes(self) -> list[Change]:
        """Return what changed since the last time: one update, or few if they are large."""
        updates, self._updates = self._updates, []
        before, self._before = self._before, None
        if self._difference_since is not None:
            updates.append(self._get_update(self._difference_since))
            self._difference_since = None
        if len(updates) == 1:
            return [Change(updates[0], before)]
        # A state before the first one is before the others too.
        return [
            Change(portion[0] if len(portion) == 1 else merge_updates(*portion), before)
            for portion in _portions(updates, len)
        ]

    @property
    def has_received(self) -> bool:
        """Whether there is something for `apply`."""
        return bool(self._inbox)

    @property
    def has_change(self) -> bool:
        """Whether there is something for `take_changes`."""
        return bool(self._updates) or self._difference_since is not None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in the document, nor ever was."""
        return self.state() == EMPTY_STATE

    def state(self) -> bytes:
        """Return the document's state vector."""
        with translating_panics():
            return self.doc.get_state()

    def lacks(self, extent: Extent) -> bool:
        """Whether an update of this extent has structs that the document does not have."""
        return exceeds(extent.ends, decode_state_vector(self.state()))

    @cached_property
    def looking(self) -> Lock:
        """To be held while `walk_deletions` is walked: who comes next finds what it has found."""
        return Lock()

    def walk_deletions(self) -> Generator[None, None, Deletions]:
        """Return what is deleted in the document, and pause now and then."""
        update = self.update_since(self.state())
        if self._deletions is None or self._deletions.update != update:
            extent = yield from walk_update(update)
            self._deletions = yield from walk_deletions(update, extent)
        return self._deletions

    def is_covered_by(self, state: bytes) -> bool:
        """Whether a state vector holds all that the document's holds."""
        known = decode_state_vector(state)
        return not exceeds(decode_state_vector(self.state()), known)

    def update_since(self, state: bytes) -> bytes:
        """Return the update for a peer that has a state; the whole document is kept encoded."""
        if state != EMPTY_STATE:
            return self._get_update(state)
        if self._whole is None:
            self._whole = self._get_update(state)
        return self._whole

    def _get_update(self, state: bytes) -> bytes:
        with translating_panics():
            return self.doc.get_update(state)

    def _observe(self, event: TransactionEvent) -> None:
        self._whole = None
        update = event.update
        if not self._applying:
            self._gaps.note_change()
            self.signal.set()
        else:
            # The same turn forwards it.
            self._applied = update
            if not self._relay:
                return
        self._record(update, event)

    def _record(self, update: bytes, event: TransactionEvent) -> None:
        if self.track_states and not self.has_change:
            self._before = _state_before(event)
        if self._difference_since is not None:
            return
        # An update with gaps is told as an empty one although the document changed.
        if update == EMPTY_UPDATE or len(self._updates) == MERGE_LIMIT:
            self._difference_since = _state_before(event)
        else:
            self._updates.append(update)

    def _apply_in_one_transaction(self, batch: Sequence[Received]) -> list[Received]:
        """Apply what leaves no gap, and return it."""
        self._applying, self._applied = True, None
        gaps = self._gaps
        applied: list[Received] = []
        behind: list[Received] = []
        refused: list[tuple[Received, Exception]] = []
        try:
            with translating_panics(), self.doc.transaction():
                for received in batch:
                    update, extent = received.update, received.extent
                    if gaps.has_gap(extent):
                        behind.append(received)
                        continue
                    applied.append(received)
                    if extent.has_pairs and gaps.splits_a_pair(update, extent):
                        refused.append((received, ValueError("it begins within a surrogate pair")))
                        continue
                    try:
                        self.doc.apply_update(update)
                    except (ValueError, RuntimeError) as exc:
                        gaps.note_change()
                        refused.append((received, exc))
                    else:
                        gaps.note_applied(extent)
        except DocumentError as exc:
            if applied:
                applied[-1].source.refuse(exc)
            raise
        finally:
            self._applying = False
        for received, reason in refused:
            self._refuse(received, reason)
        for received in behind:
            self._put_off(received)
        return applied

    def _put_off(self, received: Received) -> None:
        """Keep what lies behind a gap, take in the rest, and ask for what is missing."""
        if self._gaps.has_gap(received.extent):
            if not received.complete:
                received.source.ask_again()
            received = self._gaps.split(received)
        if received.update != EMPTY_UPDATE:
            self._inbox.append(received)

    def _refuse(self, received: Received, error: Exception) -> None:
        """Refuse an update that pycrdt did not take, if the fault is its own."""
        if isinstance(error, RuntimeError) and self._covers(received.extent):
            # Something bad that waited for this one failed with it; what this one deletes may
            # have been skipped.
            received.source.ask_again()
        else:
            reason = f"an update that cannot be applied: {error}"
            received.source.refuse(ProtocolError(reason, code=INVALID_DATA))

    def _covers(self, extent: Extent) -> bool:
        return not self.lacks(extent)

    def _compare(self, batch: Sequence[Received]) -> None:
        """Compare what was received with what has changed, which may be less or more."""
        if len(batch) == 1 and batch[0].update == self._applied:
            return
        changed = self._extent_of_change()
        self._ask_for_gaps(batch, changed)
        if self._applied and not self._relay and exceeds(changed, _union(batch)):
            # Local changes that pycrdt had put off until something arrived: now they are told.
            self._updates.append(self._applied)

    def _extent_of_change(self) -> Clocks:
        """Return what has changed, as far as pycrdt tells; the document's state tells the rest."""
        applied = self._applied
        if not applied:
            return {}
        if self._relay and len(applied) > LARGE:
            # To check it would hold the event loop up. A difference is right without.
            self._tell_difference(applied)
            return {}
        try:
            return check_update(applied).ends
        except ProtocolError as exc:
            # It took several updates, one upon the other, from who knows whom.
            raise DocumentError("pycrdt's document has become inconsistent") from exc

    def _tell_difference(self, applied: bytes) -> None:
        """Tell, instead of what pycrdt has told, everything: who knows it already takes no harm."""
        if self._updates and self._updates[-1] is applied:
            self._updates.pop()
            self._difference_since = EMPTY_STATE

    def _ask_for_gaps(self, batch: Sequence[Received], known: Clocks) -> None:
        """Ask again whoever sent what could not be applied for want of something before it."""
        suspects = [r for r in batch if not r.complete and exceeds(r.extent.ends, known)]
        if suspects:
            # The state is dear for documents of many clients, and rarely needed.
            known = decode_state_vector(self.doc.get_state())
            for source in {r.source for r in suspects if exceeds(r.extent.ends, known)}:
                source.ask_again()


def _portions(items: Sequence[Item], size_of: Callable[[Item], int]) -> Iterable[Sequence[Item]]:
    """Split items into portions that are small, or hold one item."""
    return (items,) if len(items) == 1 else _split(items, size_of)


def _split(items: Sequence[Item], size_of: Callable[[Item], int]) -> Iterator[Sequence[Item]]:
    portion: list[Item] = []
    total = 0
    for item in items:
        size = size_of(item)
        if portion and (len(portion) == BATCH_LIMIT or total + size > BATCH_BYTES):
            yield portion
            portion, total = [], 0
        portion.append(item)
        total += size
    if portion:
        yield portion


def _size(received: Received) -> int:
    return len(received.update)


def _union(batch: Sequence[Received]) -> Clocks:
    union: dict[int, int] = {}
    for received in batch:
        for client, end in received.extent.ends.items():
            union[client] = max(end, union.get(client, 0))
    return union


def _state_before(event: TransactionEvent) -> bytes:
    # pycrdt's stubs leave this attribute out.
    state: bytes = event.before_state  # type: ignore[attr-defined]
    return state
