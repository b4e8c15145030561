"""A place in a shared text where a program writes, and which others' edits move along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pycrdt import Decoder, Text, TextEvent

__all__ = ["Pen", "pen_at_end"]


class Pen:
    """Writes at a place of its own; what others write at the same place comes after it.

    pycrdt's sticky indices would be for this, but they are wrong after characters that are not
    ASCII: a place in the text counts UTF-8 bytes, one within an insertion UTF-16 units.
    """

    def __init__(self, text: Text, name: str) -> None:
        """Make a pen at the end of a text; see `pen_at_end`.

        Args:
            text: The text.
            name: Its name in the document.
        """
        self._text = text
        self._name = name
        self._index = len(text)

    def write(self, characters: str) -> dict[str, Any]:
        """Write something.

        Returns:
            The place after it, as clients with Yjs tell each other where they are.
        """
        self._text.insert(self._index, characters)
        self._index += _size(characters)
        client = self._text.doc.client_id
        last = {"client": client, "clock": _clock(self._text, client) - 1}
        # Yjs expects every key.
        return {"type": None, "tname": self._name, "item": last, "assoc": -1}

    def follow(self, event: TextEvent) -> None:
        """Move with a change of the text."""
        # pycrdt does not declare the attribute.
        changes: list[dict[str, Any]] = event.delta  # type: ignore[attr-defined]
        position = 0
        for change in changes:
            if "retain" in change:
                position += change["retain"]
            elif "delete" in change:
                self._index -= max(0, min(change["delete"], self._index - position))
            else:
                size = _size(change["insert"])
                if position < self._index:
                    self._index += size
                position += size


@contextmanager
def pen_at_end(text: Text, name: str) -> Iterator[Pen]:
    """Put a pen at the end of a text, for the duration of the block.

    Args:
        text: The text.
        name: Its name in the document.
    """
    pen = Pen(text, name)
    subscription = text.observe(pen.follow)
    try:
        yield pen
    finally:
        text.unobserve(subscription)


def _size(inserted: object) -> int:
    """Return how much something counts in the positions of a text."""
    # What is no string is embedded, and counts as one.
    return len(inserted.encode()) if isinstance(inserted, str) else 1


def _clock(text: Text, client: int) -> int:
    """Return how much a client has ever written into the text's document."""
    decoder = Decoder(text.doc.get_state())
    count = decoder.read_var_uint()
    clocks = {decoder.read_var_uint(): decoder.read_var_uint() for _ in range(count)}
    return clocks[client]
