"""The content of a document as JSON, whatever its roots are.

A document that came over a network does not tell what its roots are, so each is taken for what
its content fits: a map if it has entries; else a text if it has characters; else an XML fragment
if it has nodes and nothing else; else an array if it has items. A root without content fits all.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment, XmlText

__all__ = ["content_of", "root_of"]

Root = Map[Any] | Text | XmlFragment | Array[Any]

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

MAX_NESTING = 100
"""What nests deeper is not shown: a peer decides the depth, and the stack is only so large."""

EXACT = 2**53
"""A float up to this size is the number that was meant if that was a whole one."""


def content_of(doc: Doc[Any]) -> dict[str, Json]:
    """Return the content of a document in types that JSON has, by the names of the roots.

    Args:
        doc: The document; it is left as it is.
    """
    copy = _copy(doc)
    with copy.transaction():
        return {name: _to_json(_cast(copy, name), 0) for name in list(copy.keys())}


def root_of(doc: Doc[Any], name: str) -> Root | None:
    """Return a copy of a root, as what its content fits; None if it has no content.

    Args:
        doc: The document; it is left as it is.
        name: The root's name.
    """
    return _cast(_copy(doc), name)


def _copy(doc: Doc[Any]) -> Doc[Any]:
    """Return a copy of a document: looking at a root as something fixes what it is."""
    copy: Doc[Any] = Doc()
    copy.apply_update(doc.get_update())
    return copy


def _cast(copy: Doc[Any], name: str) -> Root | None:
    mapping: Map[Any] = copy.get(name, type=Map)
    if len(mapping):
        return mapping
    text: Text = copy.get(name, type=Text)
    if str(text):
        return text
    fragment: XmlFragment = copy.get(name, type=XmlFragment)
    # The length counts what is no node, too; an array has such items.
    if 0 < len(list(fragment.children)) == len(fragment.children):
        return fragment
    array: Array[Any] = copy.get(name, type=Array)
    return array if len(array) else None


def _to_json(value: Any, depth: int) -> Json:
    if depth > MAX_NESTING:
        return {"$omitted": "nested too deep"}
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return _number(value)
        case bytes() | bytearray():
            return {"$bytes": b64encode(value).decode()}
        case Text():
            return str(value)
        case XmlFragment() | XmlElement() | XmlText():
            return _markup(value)
        case Map() | dict():
            return {key: _to_json(item, depth + 1) for key, item in value.items()}
        case Array() | list():
            return [_to_json(item, depth + 1) for item in value]
        case Doc():
            return {"$doc": value.guid}
    return {"$unknown": type(value).__name__}


def _number(value: float) -> Json:
    if not math.isfinite(value):
        # By the names that they have in JavaScript.
        return {"$number": str(value).replace("nan", "NaN").replace("inf", "Infinity")}
    if value.is_integer() and abs(value) <= EXACT:
        return int(value)
    return value


def _markup(node: XmlFragment | XmlElement | XmlText) -> Json:
    if _nests_deeper(node, MAX_NESTING):
        # Making a string of it might overflow the stack, which no Python code survives.
        return {"$omitted": "nested too deep"}
    return str(node)


def _nests_deeper(node: XmlFragment | XmlElement | XmlText, depth: int) -> bool:
    generation: list[XmlFragment | XmlElement | XmlText] = [node]
    for _ in range(depth):
        generation = [child for parent in generation for child in _children(parent)]
        if not generation:
            return False
    return True


def _children(
    node: XmlFragment | XmlElement | XmlText,
) -> Iterable[XmlFragment | XmlElement | XmlText]:
    return () if isinstance(node, XmlText) else node.children
