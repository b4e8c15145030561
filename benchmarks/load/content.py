"""What writers write: real updates of pycrdt, made before any clock starts."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pycrdt import Doc, Text, TransactionEvent

from benchmarks.load.state import clocks_of
from examples.replay.traces import TEXT, Editor, read_trace
from ycore.protocol import decode, encode_update

__all__ = ["MARKS", "Author", "Edit", "manuscript", "replayed", "typed"]

MARKS = "marks"
"""The name of the text that markers are written to."""

_MARKER_LENGTH = 16
_ID_BITS = 32
_RUN = 8
"""So many characters of a manuscript were typed in a row."""

_DELETED_EVERY = 50

_BATCH = 1_000
"""So many edits of a manuscript are in one update."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a document."""

    message: bytes
    """The update, as a y-protocols message."""

    clock: int
    """So much of its author has who has this and all before it: see `Author.clock`."""

    marker: bytes = b""
    """A random string that is in this update, and in none before it; or nothing."""

    @property
    def update(self) -> bytes:
        """The update."""
        (message,) = decode(self.message)
        return message.payload


class Author:
    """Writes a document, and keeps the update of each edit."""

    def __init__(self) -> None:
        # Yjs picks one of as many bits. pycrdt would pick a longer one, which older versions of it,
        # those that some servers are made with, cut off: that is not the subject.
        self.doc: Doc[Any] = Doc(client_id=secrets.randbits(_ID_BITS))
        self.text: Text = self.doc.get(TEXT, type=Text)
        self._marks: Text = self.doc.get(MARKS, type=Text)
        self._update = b""
        self._clock = 0
        # A subscription that nobody holds ends.
        self._subscription = self.doc.observe(self._take)

    def edit(self, change: Callable[[], object], *, marked: bool = False) -> Edit:
        """Make one change.

        Args:
            change: What to do, in one transaction. It inserts ASCII, so that a character is a step
                of the clock.
            marked: Whether to write a marker in the same transaction.
        """
        marker = secrets.token_hex(_MARKER_LENGTH // 2) if marked else ""
        with self.doc.transaction():
            change()
            if marker:
                self._marks += marker
        return Edit(encode_update(self._update), self.clock, marker.encode())

    def type(self, text: str, *, marked: bool = False) -> Edit:
        """Write at the end."""
        return self.edit(lambda: self._append(text), marked=marked)

    @property
    def clock(self) -> int:
        """How much has been inserted: the clock of the state vector."""
        return clocks_of(self.doc).get(self.doc.client_id, 0)

    def _append(self, text: str) -> None:
        self.text += text

    def _take(self, event: TransactionEvent) -> None:
        self._update = event.update


def typed(author: Author, count: int, *, size: int = 1, marked_every: int = 0) -> list[Edit]:
    """Let an author type at the end of a text.

    Args:
        author: Who does.
        count: How many edits.
        size: How much each inserts, in characters.
        marked_every: How many edits there are for one that has a marker; the last always has one.
    """
    every = marked_every or count
    return [
        author.type(_LETTERS[number % len(_LETTERS)] * size, marked=is_marked(number, count, every))
        for number in range(count)
    ]


def manuscript(author: Author, edits: int) -> list[Edit]:
    """Let an author make a document by many edits, and return it in a few large updates.

    It is not one long run: words are typed one in front of the other, and some letters deleted, so
    that the document has about an item for every eight edits.
    """
    starts = range(0, edits, _BATCH)
    return [
        author.edit(
            partial(_write, author.text, range(start, min(start + _BATCH, edits))),
            marked=start == starts[-1],
        )
        for start in starts
    ]


def replayed(author: Author, trace: str, most: int, *, marked_every: int) -> list[Edit]:
    """Let an author replay the first edits of a recording of one writer.

    Args:
        author: Who does.
        trace: The file, or its name: see `read_trace`.
        most: How many edits, at most.
        marked_every: How many edits there are for one that has a marker; the last always has one.
    """
    recording = read_trace(trace if trace.isalnum() else Path(trace)).first(most)
    editor = Editor(author.doc, is_ascii=recording.is_ascii)
    count = len(recording.transactions)
    return [
        author.edit(
            partial(editor.apply, transaction.patches),
            marked=is_marked(number, count, marked_every),
        )
        for number, transaction in enumerate(recording.transactions)
    ]


def is_marked(number: int, count: int, every: int) -> bool:
    """Return whether an edit gets a marker: one in so many, and the last."""
    return number == count - 1 or number % every == every - 1


def _write(text: Text, numbers: Iterable[int]) -> None:
    for number in numbers:
        if number % _DELETED_EVERY == 0 and len(text) > 1:
            # Not the first one: what is deleted at the very start is walked over ever after.
            del text[1:2]
        else:
            letter = _LETTERS[number % len(_LETTERS)]
            text.insert(min(number % _RUN, len(text)), letter)
