"""The items of an update, but for the values in them: where they belong, and what they hold.

The format is described in `updates.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from .lib0 import Reader, fail
from .values import OBJECT, check_json

__all__ = ["VALUES", "check_head"]

_XML_ELEMENT = 3
_NAMELESS_TYPES = frozenset({0, 1, 2, 4, 6})


def check_head(
    reader: Reader, info: int, neighbours: dict[int, int] | None = None
) -> Callable[[Reader], int]:
    """Return what checks the content of an item and tells its length.

    Args:
        reader: What the item is read from.
        info: Its first byte.
        neighbours: Where to note what the item stands beside or in: for each client the clock
            behind that.
    """
    check_content = _CONTENTS.get(info & 0x1F)
    if check_content is None:
        fail(f"a struct of kind {info:#x}")
    if info & 0x80:
        _check_id(reader, neighbours)
    if info & 0x40:
        _check_id(reader, neighbours)
    if not info & 0xC0:
        _check_parent(reader, neighbours)
        if info & 0x20:
            reader.skip_text()
    return check_content


def _check_id(reader: Reader, neighbours: dict[int, int] | None) -> None:
    client, clock = reader.uint(), reader.clock()
    if neighbours is not None and clock >= neighbours.get(client, 0):
        neighbours[client] = clock + 1


def _check_parent(reader: Reader, neighbours: dict[int, int] | None) -> None:
    kind = reader.byte()
    if kind == 1:
        reader.skip_text()
    elif kind == 0:
        _check_id(reader, neighbours)
    else:
        fail(f"a parent of kind {kind}")


def _check_deleted(reader: Reader) -> int:
    return reader.uint()


def _check_binary(reader: Reader) -> int:
    reader.buffer()
    return 1


def _check_string(reader: Reader) -> int:
    return reader.length_of(reader.buffer())


def _check_embed(reader: Reader) -> int:
    check_json(reader.buffer())
    return 1


def _check_format(reader: Reader) -> int:
    reader.skip_text()
    check_json(reader.buffer())
    return 1


def _check_type(reader: Reader) -> int:
    kind = reader.byte()
    if kind == _XML_ELEMENT:
        reader.skip_text()
    elif kind not in _NAMELESS_TYPES:
        fail(f"a type of kind {kind}")
    return 1


def _count_values(reader: Reader) -> int:
    """Return how many values follow, which is the item's length."""
    return reader.count(1)


def _count_options(reader: Reader) -> int:
    """Return the same for a subdocument, which has one value: its options."""
    reader.skip_text()
    if reader.data[reader.pos] != OBJECT:
        fail("a subdocument without options")
    return 1


_CONTENTS: dict[int, Callable[[Reader], int]] = {
    1: _check_deleted,
    3: _check_binary,
    4: _check_string,
    5: _check_embed,
    6: _check_format,
    7: _check_type,
    8: _count_values,
    9: _count_options,
}

VALUES = (_count_values, _count_options)
"""After these the values follow."""
