"""What is in the documents: edits that leave proof behind, and how to compare two documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pycrdt import Array, Doc, Map, Text

from tests.chaos.actions import Deed, Edit
from ycore.updates import decode_state_vector

__all__ = ["Fact", "churn", "content", "facts", "holds", "make", "new_document"]

VALUES: list[Any] = [0, -1.5, "", "größe 👋🏽", None, True, b"\0\xff", {"a": [1, {"b": None}]}]
KEYS = 10

DELETIONS = {Deed.ERASE, Deed.DROP, Deed.REMOVE, Deed.PRUNE, Deed.SPEND}


class Fact(NamedTuple):
    """What one edit has left in a document for good."""

    mark: str
    """The name of an edit."""
    is_spent: bool
    """Whether the fact is that the coin of this name is gone; else, that the edit was made."""


class _Roots:
    def __init__(self, doc: Doc[Any]) -> None:
        self.text = doc.get("text", type=Text)
        self.map: Map[Any] = doc.get("map", type=Map)
        self.list: Array[Any] = doc.get("list", type=Array)
        self.tree: Map[Any] = doc.get("tree", type=Map)
        self.coins: Map[Any] = doc.get("coins", type=Map)
        """Each is added once and deleted at most once."""
        self.log: Map[Any] = doc.get("log", type=Map)
        """The edits that added something: whether a coin. Nothing is ever deleted here."""


def new_document() -> Doc[Any]:
    """Return an empty document with the roots of all."""
    doc: Doc[Any] = Doc()
    _Roots(doc)
    return doc


def make(doc: Doc[Any], edit: Edit, mark: str) -> Fact | None:
    """Make an edit in one transaction; return what it proves, if it proves something."""
    roots = _Roots(doc)
    with doc.transaction():
        if edit.deed is Deed.SPEND:
            return _spend(roots, edit)
        _DEEDS[edit.deed](roots, edit, mark)
        if edit.deed in DELETIONS:
            return None
        roots.log[mark] = edit.deed is Deed.MINT
        return Fact(mark, is_spent=False)


def churn(doc: Doc[Any], size: int) -> None:
    """Write something and erase what was written the last time: much to carry, little that stays.

    What is erased in the transaction that brings it would not be told.
    """
    text = _Roots(doc).text
    end = len(text)
    text.insert(end, "x" * size)
    del text[max(end - size, 0) : end]


def holds(doc: Doc[Any], fact: Fact) -> bool:
    """Tell whether a document knows a fact."""
    roots = _Roots(doc)
    return fact.mark in roots.log and not (fact.is_spent and fact.mark in roots.coins)


def facts(doc: Doc[Any]) -> Iterator[Fact]:
    """Yield all that a document knows."""
    roots = _Roots(doc)
    coins = set(roots.coins.keys())
    for mark, is_coin in roots.log.items():
        yield Fact(mark, is_spent=False)
        if is_coin and mark not in coins:
            yield Fact(mark, is_spent=True)


def content(doc: Doc[Any]) -> dict[str, object]:
    """Return everything that has to be equal in two documents that are in sync."""
    roots: dict[str, object] = {
        name: root.to_py() for name, root in sorted(vars(_Roots(doc)).items())
    }
    return {"state": decode_state_vector(doc.get_state()), **roots}


def _spend(roots: _Roots, edit: Edit) -> Fact | None:
    coins = sorted(roots.coins.keys())
    if not coins:
        return None
    mark = coins[_index(edit, len(coins))]
    del roots.coins[mark]
    return Fact(mark, is_spent=True)


def _index(edit: Edit, length: int) -> int:
    return int(edit.where * length)


def _key(edit: Edit) -> str:
    return f"key {_index(edit, KEYS)}"


def _value(edit: Edit) -> Any:
    return VALUES[edit.size % len(VALUES)]


def _write(roots: _Roots, edit: Edit, mark: str) -> None:
    text = (mark + " ") * (edit.size // len(mark) + 1)
    roots.text.insert(_index(edit, len(roots.text) + 1), text[: edit.size])


def _erase(roots: _Roots, edit: Edit, mark: str) -> None:
    start = _index(edit, len(roots.text))
    del roots.text[start : min(start + edit.size, len(roots.text))]


def _put(roots: _Roots, edit: Edit, mark: str) -> None:
    roots.map[_key(edit)] = _value(edit)


def _drop(roots: _Roots, edit: Edit, mark: str) -> None:
    if _key(edit) in roots.map:
        del roots.map[_key(edit)]


def _insert(roots: _Roots, edit: Edit, mark: str) -> None:
    roots.list.insert(_index(edit, len(roots.list) + 1), _value(edit))


def _remove(roots: _Roots, edit: Edit, mark: str) -> None:
    if len(roots.list):
        del roots.list[_index(edit, len(roots.list))]


def _plant(roots: _Roots, edit: Edit, mark: str) -> None:
    roots.tree[_key(edit)] = Map({"text": Text(mark), "list": Array([edit.size, Map({})])})


def _grow(roots: _Roots, edit: Edit, mark: str) -> None:
    if _key(edit) not in roots.tree:
        _plant(roots, edit, mark)
    branch = roots.tree[_key(edit)]
    branch["text"].insert(_index(edit, len(branch["text"]) + 1), mark)
    branch["list"].append(Array([_value(edit)]))


def _prune(roots: _Roots, edit: Edit, mark: str) -> None:
    if _key(edit) in roots.tree:
        del roots.tree[_key(edit)]


def _mint(roots: _Roots, edit: Edit, mark: str) -> None:
    roots.coins[mark] = edit.size


_DEEDS = {
    Deed.WRITE: _write,
    Deed.ERASE: _erase,
    Deed.PUT: _put,
    Deed.DROP: _drop,
    Deed.INSERT: _insert,
    Deed.REMOVE: _remove,
    Deed.PLANT: _plant,
    Deed.GROW: _grow,
    Deed.PRUNE: _prune,
    Deed.MINT: _mint,
}
