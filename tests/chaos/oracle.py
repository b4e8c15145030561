"""What has to be true once nothing goes wrong any more."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from anyio import move_on_after
from pycrdt import Awareness, Doc

from tests.chaos.actor import Actor
from tests.chaos.content import content
from tests.chaos.ledger import Ledger
from ycore import Room
from ycore.replica import Signal
from ycore.testing import until

__all__ = ["errors_logged", "judge"]

SHOWN = 300
"""So many characters of each part are shown in a failure."""


async def judge(room: Room, actors: Sequence[Actor], ledger: Ledger, *, bound: float) -> None:
    """Check that all have the same and see each other, and that nothing is missing.

    Args:
        room: The server's room.
        actors: Its clients, who are all connected and edit nothing.
        ledger: What they were told.
        bound: How long it may take until the last change has reached everybody, in seconds.

    Raises:
        AssertionError: It is not so.
    """
    documents = {"the room": room.doc, **{actor.who.name: actor.document for actor in actors}}
    await _until_equal(documents, bound)
    ledger.check(room.doc, [actor.document for actor in actors])
    seen = {"the room": room.awareness}
    for actor in actors:
        assert actor.client is not None, f"{actor.who.name} is not in the room"
        seen[actor.who.name] = actor.client.awareness
    await _until_seen(seen, [actor.mood for actor in actors], bound)


@contextmanager
def errors_logged() -> Iterator[list[str]]:
    """Collect what is logged as an error: a fault of this side, wherever."""
    errors: list[str] = []
    handler = _Collector(errors)
    logging.getLogger().addHandler(handler)
    try:
        yield errors
    finally:
        logging.getLogger().removeHandler(handler)


class _Collector(logging.Handler):
    def __init__(self, errors: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._errors = errors
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._errors.append(self.format(record))


async def _until_equal(documents: Mapping[str, Doc[Any]], bound: float) -> None:
    with _changes_of(documents.values()) as changes, move_on_after(bound):
        while _differences(documents):
            await changes.wait()
    differences = _differences(documents)
    assert not differences, f"not equal within {bound} s: {'; '.join(differences)}"


@contextmanager
def _changes_of(documents: Iterable[Doc[Any]]) -> Iterator[Signal]:
    """Give a signal that is set by every change of a document."""
    signal = Signal()
    with ExitStack() as stack:
        for document in documents:
            subscription = document.observe(lambda event: signal.set())
            stack.callback(document.unobserve, subscription)
        yield signal


def _differences(documents: Mapping[str, Doc[Any]]) -> list[str]:
    """Tell in what the others differ from the first one."""
    (first, *others) = ((name, content(document)) for name, document in documents.items())
    return [
        f"{part} of {name} is {_shown(inside[part])}, of {first[0]} {_shown(first[1][part])}"
        for name, inside in others
        for part in inside
        if inside[part] != first[1][part]
    ]


def _shown(part: object) -> str:
    text = repr(part)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


async def _until_seen(seen: Mapping[str, Awareness], moods: Sequence[Any], bound: float) -> None:
    expected = Counter(map(repr, moods))
    with move_on_after(bound):
        for awareness in seen.values():
            await _until_it_shows(awareness, expected)
    found = {name: _states(awareness) for name, awareness in seen.items()}
    differences = [
        f"{name} lacks {list(expected - states)} and has {list(states - expected)}"
        for name, states in found.items()
        if states != expected
    ]
    assert not differences, f"not seen within {bound} s: {'; '.join(differences)}"


async def _until_it_shows(awareness: Awareness, expected: Counter[str]) -> None:
    await until(awareness, lambda: _states(awareness) == expected, timeout=math.inf)


def _states(awareness: Awareness) -> Counter[str]:
    return Counter(map(repr, awareness.states.values()))
