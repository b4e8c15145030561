"""A program's place in a text that others edit."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Doc, Text

from examples.editor.pen import pen_at_end

NAME = "codemirror"


class Writer:
    """Somebody who writes into the same text from elsewhere."""

    def __init__(self, other: Doc[Any]) -> None:
        self._other = other
        self._doc: Doc[Any] = Doc()
        self.text: Text = self._doc.get(NAME, type=Text)
        self.exchange()

    def exchange(self) -> None:
        update = self._doc.get_update(self._other.get_state())
        self._doc.apply_update(self._other.get_update(self._doc.get_state()))
        self._other.apply_update(update)

    def replace(self, start: int, end: int, characters: str) -> None:
        """Replace some characters by others; positions count characters."""
        content = str(self.text)
        first = len(content[:start].encode())
        del self.text[first : first + len(content[start:end].encode())]
        self.text.insert(first, characters)


@pytest.fixture
def text() -> Text:
    doc: Doc[Any] = Doc()
    text: Text = doc.get(NAME, type=Text)
    return text


def test_it_begins_at_the_end(text: Text) -> None:
    text += "Grüße 🐍 "
    with pen_at_end(text, NAME) as pen:
        pen.write("an alle")
    assert str(text) == "Grüße 🐍 an alle"


def test_it_moves_with_what_others_insert_and_delete_before_it(text: Text) -> None:
    text += "one two "
    with pen_at_end(text, NAME) as pen:
        writer = Writer(text.doc)
        writer.replace(0, 3, "únó 🐍")
        writer.exchange()
        pen.write("thr")
        writer.exchange()
        writer.replace(0, 6, "")
        writer.exchange()
        pen.write("ee")
    assert str(text) == "two three"


def test_it_stays_before_what_others_write_at_its_place(text: Text) -> None:
    with pen_at_end(text, NAME) as pen:
        pen.write("wo")
        writer = Writer(text.doc)
        writer.text += ", said somebody"
        writer.exchange()
        pen.write("rd")
    assert str(text) == "word, said somebody"


def test_it_survives_that_the_text_around_it_goes(text: Text) -> None:
    text += "before "
    with pen_at_end(text, NAME) as pen:
        pen.write("word")
        writer = Writer(text.doc)
        writer.text += " after"
        writer.replace(3, 14, "")
        writer.exchange()
        pen.write("|")
    assert str(text) == "bef|ter"


def test_it_survives_what_is_no_text(text: Text) -> None:
    text += "ab"
    with pen_at_end(text, NAME) as pen:
        writer = Writer(text.doc)
        writer.text.insert_embed(1, {"image": "x"})
        writer.text.format(0, 2, {"bold": True})
        writer.exchange()
        pen.write("c")
    assert [content for content, _ in text.diff()][-1] == "bc"


def test_its_words_stay_together_whatever_others_do(text: Text) -> None:
    chance = random.Random(7)
    written = "Schöne Grüße 🐍 an alle, die 日本語 schreiben"
    text += "début 🐍\n"
    with pen_at_end(text, NAME) as pen:
        writer = Writer(text.doc)
        for character in written:
            pen.write(character)
            line_end = str(writer.text).index("\n")
            start = chance.randint(0, line_end)
            end = chance.randint(start, line_end)
            writer.replace(start, end, chance.choice(["a", "é", "🐍", "日本語"]))
            writer.exchange()
    assert written in str(text)


def test_others_are_told_the_place_in_the_terms_of_yjs(text: Text) -> None:
    with pen_at_end(text, NAME) as pen:
        pen.write("é")
        place = pen.write("🐍")
    # Yjs counts UTF-16 units: one and two.
    item = {"client": text.doc.client_id, "clock": 2}
    assert place == {"type": None, "tname": NAME, "item": item, "assoc": -1}
