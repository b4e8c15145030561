"""The updates that typing makes, checked by patterns.

The engine of `re` reads numbers within their bounds several times faster than a loop. What these
patterns do not match is left to the walk in `updates.py`, which knows why.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .extent import Extent, Run
from .lib0 import CLIENT, CLOCK, CLOCKS, fail, measure

__all__ = ["check_keystroke"]

_ID = rb"(%b)(%b)" % (CLIENT, CLOCK)

# One section of one string of less than 128 bytes, no deletion.
_match_insertion = re.compile(
    rb"\x01\x01(%b)(%b)(?:(?:[\x84\x44]|\xc4%b)%b|(\x04\x01))([\x00-\xff]{2,128})\x00"
    % (CLIENT, CLOCK, _ID, _ID)
).fullmatch
# No section, one deleted range.
_match_deletion = re.compile(rb"\x00\x01(%b)\x01(%b)(%b)" % (CLIENT, CLOCK, CLOCK)).fullmatch


def check_keystroke(update: bytes) -> Extent | None:
    """Check the two updates that typing makes; return None for any other.

    Raises:
        ProtocolError: A clock is out of bounds (close code 1007).
    """
    match = _match_insertion(update)
    if match is None:
        return _check_deletion(update)
    client, clock, first, first_clock, second, second_clock, root, text = match.groups()
    if root is not None:
        name_end = text[0] + 1
        if not text[1:name_end].isascii():
            return None
        text = text[name_end:]
    size = len(text) - 1
    if size < 1 or text[0] != size:
        return None
    length, has_pairs = (size, False) if text.isascii() else measure(text[1:])
    writer, start = _client_number(client), _number(clock)
    end = _bounded(start + length)
    neighbours: dict[int, int] = {}
    if first is not None:
        _note(neighbours, first, first_clock)
    if second is not None:
        _note(neighbours, second, second_clock)
    run = Run(writer, start, end, 1, match.end(2), len(update) - 1)
    builds_on_itself = neighbours.pop(writer, 0) > start
    return Extent({writer: end}, (run,), 0, None if builds_on_itself else neighbours, has_pairs)


def _note(neighbours: dict[int, int], client: bytes, clock: bytes) -> None:
    neighbour, end = _client_number(client), _number(clock) + 1
    if end > neighbours.get(neighbour, 0):
        neighbours[neighbour] = end


def _check_deletion(update: bytes) -> Extent | None:
    match = _match_deletion(update)
    if match is None:
        return None
    client, clock, varint = match.groups()
    length = _number(varint)
    return Extent({_client_number(client): _bounded(_number(clock) + length)}) if length else None


def _bounded(clock: int) -> int:
    if clock >= CLOCKS:
        fail(f"a clock of {clock}")
    return clock


def _number(varint: bytes) -> int:
    value = shift = 0
    for byte in varint:
        value |= (byte & 127) << shift
        shift += 7
    return value


# The updates of one writer all name the same client.
_client_number = lru_cache(maxsize=1024)(_number)
