"""The shape of Yjs v1 updates and state vectors, walked in bounds before pycrdt sees the bytes.

An update, as the yjs repository writes it (`src/utils/encoding.js`, `UpdateEncoder.js` and
`DeleteSet.js` beside it, `src/structs/*.js`; numbers, strings and values in lib0's `encoding.js`)::

    update        varUint n, n sections, delete set
    section       varUint structs, varUint client, varUint clock of the first struct, structs
    struct        0, varUint length                                    GC: deleted and forgotten
                  10, varUint length                                   Skip: a gap
                  info, [origin], [right origin], [parent, [key]], content
    info          0x80 has origin, 0x40 has right origin, 0x20 has key, 0x1F the kind of content
    origin        varUint client, varUint clock
    parent, key   without origins only: 1, varString root or 0, client, clock; then varString
    delete set    varUint n, n times (varUint client, varUint ranges, ranges times (clock, length))
    state vector  varUint n, n times (varUint client, varUint clock)

    content  1  varUint length                  deleted
             3  varUint size, bytes             binary
             4  varString                       string, whose length counts UTF-16 units
             5  varString JSON                  embed
             6  varString key, varString JSON   format
             7  3 and varString name; 0, 1, 2, 4 or 6 alone: a type
             8  varUint n, n values             values
             9  varString guid, object          subdocument

Where pycrdt reads bytes otherwise than Yjs, this walk could be led past what pycrdt will see. So
content 2 (JSON, obsolete: pycrdt reads a string too many) and type 5 (XmlHook: pycrdt reads no
name) are refused although Yjs knows them, and so is all that only one of the two knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from functools import lru_cache
from typing import TypeVar

from .lib0 import CLOCKS, Reader, encode_uint, fail, malformed, utf16_length
from .values import OBJECT, check_json, walk_values

__all__ = [
    "Extent",
    "Walk",
    "check_update",
    "decode_state_vector",
    "deletions",
    "walk_state_vector",
    "walk_update",
]

Extent = dict[int, int]
"""For each client the clock behind the last of its structs."""

MAX_JOINED = 128 * 1024 * 1024
"""So many characters may be copied when the pieces of a text are joined. pycrdt 0.14.13 joins what
follows each other piece by piece, at a cost that grows with the square: 100,000 pieces of a
character each took 5 GB and 11 s."""

Result = TypeVar("Result")

Walk = Generator[None, None, Extent]


_GC = 0
_SKIP = 10
_STRING = 4

_XML_ELEMENT = 3
_NAMELESS_TYPES = frozenset({0, 1, 2, 4, 6})

# Numbers within their bounds, as patterns: the engine of `re` reads them several times faster than
# a loop. What these patterns do not match is left to the walk, which knows why.
_CLIENT = rb"(?:[\x80-\xff]{0,6}[\x00-\x7f]|[\x80-\xff]{7}[\x00-\x0f])"
_CLOCK = rb"(?:[\x80-\xff]{0,3}[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x07])"
_ID = _CLIENT + _CLOCK

# One section of one string of less than 128 bytes, no deletion.
_match_keystroke = re.compile(
    rb"\x01\x01(%b)(%b)(?:[\x84\x44]%b|\xc4%b%b|(\x04\x01))([\x00-\xff]{2,128})\x00"
    % (_CLIENT, _CLOCK, _ID, _ID, _ID)
).fullmatch
# No section, one deleted range.
_match_deletion = re.compile(rb"\x00\x01(%b)\x01(%b)(%b)" % (_CLIENT, _CLOCK, _CLOCK)).fullmatch
# A deleted or string item with origins, up to its length when that is less than 128.
_match_run = re.compile(
    rb"(?:[\x81\x84\x41\x44]%b|[\xc1\xc4]%b%b)[\x01-\x7f]" % (_ID, _ID, _ID)
).match


def check_update(update: bytes) -> Extent:
    """Check that an update has the right shape and nothing out of bounds.

    What depends on the document, such as whether an origin exists, is not checked.

    Returns:
        The extent: for each client the highest clock that a struct (a gap is none) or a deletion
        ends at. A document whose state vector reaches it lacks nothing of this update but,
        possibly, deletions.

    Raises:
        ProtocolError: The update is malformed (close code 1007).
    """
    extent = _check_keystroke(update)
    return _run(walk_update(update)) if extent is None else extent


def walk_update(update: bytes) -> Walk:
    """Do the same in steps, for an update that is large: pause now and then.

    Raises:
        ProtocolError: The update is malformed (close code 1007).
    """
    try:
        return (yield from _walk_any_update(update))
    except IndexError:
        raise malformed("it ends too early") from None


def decode_state_vector(state: bytes) -> Extent:
    """Check a state vector and return its clocks by client.

    Raises:
        ProtocolError: The state vector is malformed (close code 1007).
    """
    return _run(walk_state_vector(state))


def walk_state_vector(state: bytes) -> Walk:
    """Do the same in steps, for a state vector that is large: pause now and then.

    Raises:
        ProtocolError: The state vector is malformed (close code 1007).
    """
    reader = Reader(state)
    clocks: Extent = {}
    try:
        for _ in range(reader.count(2)):
            client = reader.uint()
            clocks[client] = reader.clock()
            if reader.pos > reader.pause:
                reader.take_pause()
                yield
    except IndexError:
        raise malformed("it ends too early") from None
    reader.finish()
    return clocks


def deletions(update: bytes) -> dict[int, list[tuple[int, int]]]:
    """Return what an update deletes: for each client ranges of clocks, in order and apart.

    Args:
        update: The update, which was checked.
    """
    reader = Reader(update)
    for _ in range(reader.count(3)):
        structs = reader.count(2)
        _run(_walk_structs(reader, structs, reader.uint()))
    found: dict[int, list[tuple[int, int]]] = {}
    for _ in range(reader.count(2)):
        client = reader.uint()
        ranges = ((reader.clock(), reader.uint()) for _ in range(reader.count(2)))
        found[client] = _join([(start, start + length) for start, length in ranges])
    return found


def _join(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _run(walk: Generator[None, None, Result]) -> Result:
    """Walk to the end without a pause."""
    while True:
        try:
            next(walk)
        except StopIteration as stop:
            result: Result = stop.value
            return result


def _check_keystroke(update: bytes) -> dict[int, int] | None:
    """Check the two updates that typing makes; return None for any other."""
    match = _match_keystroke(update)
    if match is None:
        match = _match_deletion(update)
        if match is None:
            return None
        client, clock, varint = match.groups()
        length = _number(varint)
        return _extent(client, _number(clock) + length) if length else None
    client, clock, root, text = match.groups()
    if root is not None:
        name_end = text[0] + 1
        if not text[1:name_end].isascii():
            return None
        text = text[name_end:]
    size = len(text) - 1
    if size < 1 or text[0] != size:
        return None
    return _extent(client, _number(clock) + (size if text.isascii() else utf16_length(text[1:])))


def _extent(client: bytes, end: int) -> dict[int, int]:
    if end >= CLOCKS:
        fail(f"a clock of {end}")
    return {_client_number(client): end}


def _walk_any_update(update: bytes) -> Walk:
    reader = Reader(update)
    extent: Extent = {}
    clients = set()
    for _ in range(reader.count(3)):
        structs = reader.count(2)
        client = reader.uint()
        if client in clients:
            fail(f"two sections of client {client}")
        clients.add(client)
        end = yield from _walk_structs(reader, structs, client)
        if end:
            extent[client] = end
    for _ in range(reader.count(2)):
        client = reader.uint()
        end = yield from _walk_deletions(reader)
        if end > extent.get(client, 0):
            extent[client] = end
    reader.finish()
    return extent


def _walk_structs(reader: Reader, count: int, client: int) -> Generator[None, None, int]:
    """Return the clock at which the last struct that is not a gap ends, or 0."""
    data = reader.data
    start = clock = reader.clock()
    end = 0
    # No less could be too much.
    joints = _Joints(client) if count * len(data) > MAX_JOINED else None
    for _ in range(count):
        if reader.pos > reader.pause:
            reader.take_pause()
            yield
        begin = reader.pos
        match = _match_run(data, begin)
        if match is not None:
            pos = match.end()
            length = data[pos - 1]
            if data[begin] & _STRING:
                text = data[pos : pos + length]
                reader.pos = pos + length
                if not text.isascii():
                    length = utf16_length(text)
            else:
                reader.pos = pos
        else:
            info = reader.byte()
            if info == _SKIP:
                clock += _check_range(reader)
                continue
            if info == _GC:
                length = _check_range(reader)
            else:
                check_content = _check_head(reader, info)
                if check_content in _VALUES:
                    length = yield from walk_values(reader, check_content(reader))
                else:
                    length = check_content(reader)
        if joints is not None:
            joints.note(data, begin, clock, length)
        clock += length
        if length:
            end = clock
    if clock == start:
        # Nobody writes these; pycrdt panics when it knows the client.
        fail("a section without content")
    if clock >= CLOCKS:
        fail(f"a clock of {clock}")
    return end


class _Joints:
    """Counts what pycrdt copies when it joins the texts of a section."""

    def __init__(self, client: int) -> None:
        self._client = client
        self._prefix = encode_uint(client)
        self._run = self._copied = 0

    def note(self, data: bytes, begin: int, clock: int, length: int) -> None:
        """Take note of a struct."""
        if data[begin] & 0x9F != 0x80 | _STRING or not self._follows(data, begin + 1, clock - 1):
            self._run = length
            return
        self._run += length
        self._copied += self._run
        if self._copied > MAX_JOINED:
            fail("a text in too many pieces: send the update of a document that has it")

    def _follows(self, data: bytes, pos: int, before: int) -> bool:
        """Whether the origin that is written at a position is the item before."""
        end = pos + len(self._prefix)
        if data[pos:end] == self._prefix and (data[end] ^ before) & 127:
            # The lowest bits come first.
            return False
        reader = Reader(data)
        reader.pos = pos
        return reader.uint() == self._client and reader.uint() == before


def _walk_deletions(reader: Reader) -> Generator[None, None, int]:
    """Return the clock at which the last deleted range ends, or 0."""
    last = 0
    for _ in range(reader.count(2)):
        if reader.pos > reader.pause:
            reader.take_pause()
            yield
        clock = reader.clock()
        length = reader.uint()
        end = clock + length
        if end >= CLOCKS:
            fail(f"a clock of {end}")
        if length and end > last:
            last = end
    return last


def _check_range(reader: Reader) -> int:
    """Return the length of a GC or a gap."""
    length = reader.uint()
    if not length:
        # Nobody writes these, unlike empty strings. pycrdt panics or counts below zero.
        fail("an empty GC or Skip")
    return length


def _check_head(reader: Reader, info: int) -> Callable[[Reader], int]:
    """Return what checks the content of an item and tells its length."""
    check_content = _CONTENTS.get(info & 0x1F)
    if check_content is None:
        fail(f"a struct of kind {info:#x}")
    if info & 0x80:
        reader.skip_id()
    if info & 0x40:
        reader.skip_id()
    if not info & 0xC0:
        _check_parent(reader)
        if info & 0x20:
            reader.skip_text()
    return check_content


def _check_parent(reader: Reader) -> None:
    kind = reader.byte()
    if kind == 1:
        reader.skip_text()
    elif kind == 0:
        reader.skip_id()
    else:
        fail(f"a parent of kind {kind}")


def _check_deleted(reader: Reader) -> int:
    return reader.uint()


def _check_binary(reader: Reader) -> int:
    reader.buffer()
    return 1


def _check_string(reader: Reader) -> int:
    text = reader.buffer()
    return len(text) if text.isascii() else utf16_length(text)


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

_VALUES = (_count_values, _count_options)
"""After these the values follow."""


def _number(varint: bytes) -> int:
    value = shift = 0
    for byte in varint:
        value |= (byte & 127) << shift
        shift += 7
    return value


# The updates of one writer all name the same client.
_client_number = lru_cache(maxsize=1024)(_number)
