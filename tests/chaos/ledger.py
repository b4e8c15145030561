"""What clients were told has arrived and must never be missing, and what must not arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pycrdt import Doc

from tests.chaos.content import Fact, facts

__all__ = ["Entry", "Ledger"]


class Entry(NamedTuple):
    """A fact, and after how many losses it was made."""

    fact: Fact
    losses: int


class Ledger:
    """The facts of one room.

    What was confirmed must last. Only when a server has lost its room, it is what documents of
    clients held at that time that must come back, as long as at least one of these documents does.

    What is made while nobody may write must not arrive.
    """

    def __init__(self) -> None:
        self._confirmed: dict[Fact, int] = {}
        """After how many losses each was made, the last time it was."""
        self._losses: list[dict[Doc[Any], set[Fact]]] = []
        """For each loss the documents that there were, and what they held."""
        self._is_frozen = False
        self._forbidden: list[Fact] = []
        """What was made since nobody may write."""
        self._smuggled: list[Fact] = []
        self.refused = 0
        """So many facts were forbidden and have not arrived."""

    def __len__(self) -> int:
        """Return how many facts are confirmed."""
        return len(self._confirmed)

    def note(self, fact: Fact) -> Entry:
        """Take note of a fact that was made."""
        # Of a coin that is gone it cannot be told who has spent it.
        if self._is_frozen and not fact.is_spent:
            self._forbidden.append(fact)
        return Entry(fact, len(self._losses))

    def confirm(self, entries: Iterable[Entry], is_there: Callable[[Fact], bool]) -> None:
        """Take note of facts of which a client was told that they have arrived.

        Args:
            entries: The facts, those of before included.
            is_there: Whether the room has one now.

        Raises:
            AssertionError: They have not arrived.
        """
        news = {e.fact: e.losses for e in entries if e.losses > self._confirmed.get(e.fact, -1)}
        # A client may have known of the arrival before a loss and not have told us yet.
        recent = (fact for fact, losses in news.items() if losses == len(self._losses))
        lacking = [fact for fact in recent if not is_there(fact)]
        assert not lacking, f"confirmed, and the server has it not: {_shown(lacking)}"
        self._confirmed |= news

    def freeze(self) -> None:
        """Take note that nobody may write from now on."""
        self._is_frozen = True

    def thaw(self, has_arrived: Callable[[Fact], bool]) -> None:
        """Take note that somebody may write from now on.

        Args:
            has_arrived: Whether anybody but who made it has a fact now.
        """
        smuggled = [fact for fact in self._forbidden if has_arrived(fact)]
        self._smuggled += smuggled
        self.refused += len(self._forbidden) - len(smuggled)
        self._is_frozen, self._forbidden = False, []

    def lose(self, documents: Iterable[Doc[Any]]) -> None:
        """Take note that the server's room is lost, while clients have these documents."""
        self._losses.append({document: set(facts(document)) for document in documents})

    def check(self, document: Doc[Any], alive: Iterable[Doc[Any]]) -> None:
        """Check that nothing is missing in the document that all have now, or came too early.

        Args:
            document: The document.
            alive: The documents of all clients.

        Raises:
            AssertionError: Something is missing, or has arrived while nobody might write.
        """
        assert not self._smuggled, f"written by who may only read: {_shown(self._smuggled)}"
        missing = self._confirmed.keys() - set(facts(document))
        for number, held in enumerate(self._losses, 1):
            kept = {fact for doc in alive for fact in held.get(doc, ())}
            missing = {fact for fact in missing if fact in kept or self._confirmed[fact] >= number}
        assert not missing, f"confirmed, and lost: {_shown(missing)}"


def _shown(lacking: Iterable[Fact]) -> str:
    names = sorted(f"{'-' if fact.is_spent else '+'}{fact.mark}" for fact in lacking)
    return f"{', '.join(names[:20])} ({len(names)})"
