from __future__ import annotations

from collections.abc import Sequence

import pytest
from pycrdt import Doc, Text

from benchmarks.load.content import MARKS, Author, Edit, manuscript, replayed, typed
from examples.replay.traces import DATA, TEXT
from ycore.protocol import decode


def replica(edits: Sequence[Edit]) -> Doc[Text]:
    doc: Doc[Text] = Doc()
    for edit in edits:
        for message in decode(edit.message):
            doc.apply_update(message.payload)
    return doc


def check(author: Author, edits: Sequence[Edit]) -> None:
    doc = replica(edits)
    assert doc.get_state() == author.doc.get_state()
    assert str(doc.get(TEXT, type=Text)) == str(author.text)
    assert str(doc.get(MARKS, type=Text)) == "".join(edit.marker.decode() for edit in edits)
    assert all(edit.marker in edit.message for edit in edits)
    assert edits[-1].marker
    assert edits[-1].clock == author.clock


def test_typing() -> None:
    author = Author()
    edits = typed(author, 25, size=3, marked_every=10)
    check(author, edits)
    assert len(str(author.text)) == 75
    assert [number for number, edit in enumerate(edits) if edit.marker] == [9, 19, 24]


def test_a_manuscript() -> None:
    author = Author()
    edits = [author.type("x"), *manuscript(author, 2_500)]
    check(author, edits)
    assert len(edits) == 1 + 3


def test_no_manuscript() -> None:
    assert manuscript(Author(), 0) == []


def test_a_recording() -> None:
    if not (DATA / "sveltecomponent.json.gz").exists():
        pytest.skip("the recordings are not here")
    author = Author()
    edits = replayed(author, "sveltecomponent", 200, marked_every=64)
    check(author, edits)
    assert len(edits) == 200
