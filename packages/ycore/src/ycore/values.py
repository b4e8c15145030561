"""The values in an update, as lib0 writes them (`writeAny`) or as JSON, walked in bounds."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from typing import NoReturn

from .lib0 import Reader, fail, malformed

__all__ = ["MAX_NESTING", "OBJECT", "check_json", "walk_values"]

MAX_NESTING = 100
"""How deep arrays and objects may nest in a value or in JSON."""

MAX_COMMAS = 100_000
"""JSON of an embed or a format may have no more commas: Python reads it in one go."""

OBJECT = 118
_CONTAINERS = frozenset({117, OBJECT})
# null, undefined and the booleans; the numbers of fixed size.
_SIZES = {120: 0, 121: 0, 126: 0, 127: 0, 124: 4, 123: 8, 122: 8}


def walk_values(reader: Reader, count: int) -> Generator[None, None, int]:
    """Check `count` values, as lib0 writes them, and return how many they were."""
    length, keyed = count, False
    outer: list[tuple[int, bool]] = []
    while True:
        while not count:
            if not outer:
                return length
            count, keyed = outer.pop()
        count -= 1
        if reader.pos > reader.pause:
            reader.take_pause()
            yield
        if keyed:
            reader.skip_text()
        kind = reader.byte()
        if kind == 119:
            reader.skip_text()
        elif kind == 125:
            reader.skip_int()
        elif kind in _SIZES:
            reader.skip(_SIZES[kind])
        elif kind in _CONTAINERS:
            outer.append((count, keyed))
            if len(outer) > MAX_NESTING:
                fail(f"values nested deeper than {MAX_NESTING}")
            keyed = kind == OBJECT
            count = reader.count(2 if keyed else 1)
        elif kind == 116:
            reader.buffer()
        else:
            fail(f"a value of kind {kind}")


def check_json(text: bytes) -> None:
    """Check that every peer can parse some JSON.

    Raises:
        ProtocolError: It is malformed, too large or nested too deeply.
    """
    if text.count(b",") > MAX_COMMAS:
        fail("JSON of too many values")
    try:
        value = _json.decode(text.decode())
    except (ValueError, RecursionError):
        raise malformed("JSON that cannot be read") from None
    if text.count(b"[") + text.count(b"{") > MAX_NESTING:
        _check_nesting(value)


def _check_nesting(value: object) -> None:
    level = [value]
    for _ in range(MAX_NESTING):
        level = [inner for item in level for inner in _members(item)]
    if any(isinstance(item, dict | list) for item in level):
        fail(f"JSON nested deeper than {MAX_NESTING}")


def _members(container: object) -> Iterable[object]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# `float`: the value does not matter, and a number of any length is one. Unlike Python's, the JSON
# of others knows no NaN.
_json = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
