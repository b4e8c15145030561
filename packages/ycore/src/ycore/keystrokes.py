"""The updates that typing makes, checked by patterns.

The engine of `re` reads numbers within their bounds several times faster than a loop. What these
patterns do not match is left to the walk in `updates.py`, which knows why.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .extent import Clocks, Extent, Run
from .lib0 import CLIENT, CLOCK, CLOCKS, fail, measure

__all__ = ["check_keystroke"]

NOBODY: Clocks = {}

LONGEST = 16 * 1024
"""Longer updates, in bytes, are not what is looked for."""

_ID = rb"(%b)(%b)" % (CLIENT, CLOCK)

# One section of one string, no deletion.
_match_insertion = re.compile(
    rb"\x01\x01(%b)(%b)(?:(?:[\x84\x44]|\xc4%b)%b|(\x04\x01))([\x00-\xff]{2,})\x00"
    % (CLIENT, CLOCK, _ID, _ID)
).fullmatch
# No section, one deleted range.
_match_deletion = re.compile(rb"\x00\x01(%b)\x01(%b)(%b)" % (CLIENT, CLOCK, CLOCK)).fullmatch


def check_keystroke(update: bytes) -> Extent | None:
    """Check the two updates that typing makes; return None for any other.

    Raises:
        ProtocolError: A clock is out of bounds (close code 1007).
    """
    if len(update) > LONGEST:
        return None
    match = _match_insertion(update)
    if match is None:
        return _check_deletion(update)
    client, clock, first, first_clock, second, second_clock, root, text = match.groups()
    if root is not None:
        name_end = text[0] + 1
        if not text[:name_end].isascii():
            return None
        text = text[name_end:]
    size = _size_of_string(text)
    if size is None:
        return None
    content = text[-size:]
    length, has_pairs = (size, False) if content.isascii() else measure(content)
    writer, start = _client_number(client), _number(clock)
    end = start + length
    if end >= CLOCKS:
        fail(f"a clock of {end}")
    neighbours: Clocks | None = NOBODY
    if first is not None or second not in (None, client):
        beside = [(first, first_clock), (second, second_clock)]
        neighbours = _neighbours(writer, start, beside)
    elif second is not None and _number(second_clock) >= start:
        neighbours = None
    # What NamedTuple writes as a constructor takes twice as long.
    run = tuple.__new__(Run, (writer, start, end, 1, match.end(2), len(update) - 1))
    return tuple.__new__(Extent, ({writer: end}, (run,), 0, neighbours, has_pairs))


def _size_of_string(encoded: bytes) -> int | None:
    """Return how many bytes a string has, if it is all that there is, and is not empty."""
    if not encoded or encoded[0] < 128:
        size = len(encoded) - 1
        return size if size > 0 and encoded[0] == size else None
    size = len(encoded) - 2
    # Written in two bytes, the longest that is looked for.
    return size if size > 127 and encoded[0] & 127 | encoded[1] << 7 == size else None


def _neighbours(writer: int, start: int, beside: list[tuple[bytes | None, bytes]]) -> Clocks | None:
    """Return what an item stands beside, or None if that is still to come."""
    neighbours: dict[int, int] = {}
    for client, clock in beside:
        if client is not None:
            neighbour = _client_number(client)
            neighbours[neighbour] = max(_number(clock) + 1, neighbours.get(neighbour, 0))
    return neighbours if neighbours.pop(writer, 0) <= start else None


def _check_deletion(update: bytes) -> Extent | None:
    match = _match_deletion(update)
    if match is None:
        return None
    client, clock, varint = match.groups()
    length = _number(varint)
    end = _number(clock) + length
    if end >= CLOCKS:
        fail(f"a clock of {end}")
    return Extent({_client_number(client): end}, deletions=1) if length else None


def _number(varint: bytes) -> int:
    if len(varint) == 1:
        return varint[0]
    if len(varint) == 2:
        return varint[0] & 127 | varint[1] << 7
    value = shift = 0
    for byte in varint:
        value |= (byte & 127) << shift
        shift += 7
    return value


# The updates of one writer all name the same client.
_client_number = lru_cache(maxsize=1024)(_number)
