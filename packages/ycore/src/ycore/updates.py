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

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NoReturn

from .errors import ProtocolError

__all__ = ["MAX_NESTING", "Extent", "check_update", "decode_state_vector"]

Extent = dict[int, int]
"""For each client the clock behind the last of its structs."""

MAX_NESTING = 100
"""How deep arrays and objects may nest in a value or in JSON."""

_CLOCKS = 2**31
_CLIENTS = 2**53
_SHIFTS = range(7, 56, 7)

_GC = 0
_SKIP = 10
_STRING = 4

_XML_ELEMENT = 3
_NAMELESS_TYPES = frozenset({0, 1, 2, 4, 6})

_OBJECT = 118
_CONTAINERS = frozenset({117, _OBJECT})
# null, undefined and the booleans; the numbers of fixed size.
_SIZES = {120: 0, 121: 0, 126: 0, 127: 0, 124: 4, 123: 8, 122: 8}

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
    try:
        extent = _check_keystroke(update)
        return _check_any_update(update) if extent is None else extent
    except IndexError:
        raise _malformed("it ends too early") from None


def decode_state_vector(state: bytes) -> Extent:
    """Check a state vector and return its clocks by client.

    Raises:
        ProtocolError: The state vector is malformed (close code 1007).
    """
    reader = _Reader(state)
    try:
        clocks = {reader.uint(): reader.clock() for _ in range(reader.count(2))}
    except IndexError:
        raise _malformed("it ends too early") from None
    reader.finish()
    return clocks


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
    return _extent(client, _number(clock) + (size if text.isascii() else _utf16(text[1:])))


def _extent(client: bytes, end: int) -> dict[int, int]:
    if end >= _CLOCKS:
        _fail(f"a clock of {end}")
    return {_client_number(client): end}


def _check_any_update(update: bytes) -> dict[int, int]:
    reader = _Reader(update)
    extent: dict[int, int] = {}
    clients = set()
    for _ in range(reader.count(3)):
        structs = reader.count(2)
        client = reader.uint()
        if client in clients:
            _fail(f"two sections of client {client}")
        clients.add(client)
        end = _check_structs(reader, structs)
        if end:
            extent[client] = end
    for _ in range(reader.count(2)):
        client = reader.uint()
        end = _check_deletions(reader)
        if end > extent.get(client, 0):
            extent[client] = end
    reader.finish()
    return extent


def _check_structs(reader: _Reader, count: int) -> int:
    """Return the clock at which the last struct that is not a gap ends, or 0."""
    data = reader.data
    start = clock = reader.clock()
    end = 0
    for _ in range(count):
        match = _match_run(data, reader.pos)
        if match is not None:
            pos = match.end()
            length = data[pos - 1]
            if data[match.start()] & _STRING:
                text = data[pos : pos + length]
                reader.pos = pos + length
                if not text.isascii():
                    length = _utf16(text)
            else:
                reader.pos = pos
        else:
            info = reader.byte()
            if info == _SKIP:
                clock += _check_range(reader)
                continue
            length = _check_range(reader) if info == _GC else _check_item(reader, info)
        clock += length
        if length:
            end = clock
    if clock == start:
        # Nobody writes these; pycrdt panics when it knows the client.
        _fail("a section without content")
    if clock >= _CLOCKS:
        _fail(f"a clock of {clock}")
    return end


def _check_deletions(reader: _Reader) -> int:
    """Return the clock at which the last deleted range ends, or 0."""
    last = 0
    for _ in range(reader.count(2)):
        clock = reader.clock()
        length = reader.uint()
        end = clock + length
        if end >= _CLOCKS:
            _fail(f"a clock of {end}")
        if length and end > last:
            last = end
    return last


def _check_range(reader: _Reader) -> int:
    """Return the length of a GC or a gap."""
    length = reader.uint()
    if not length:
        # Nobody writes these, unlike empty strings. pycrdt panics or counts below zero.
        _fail("an empty GC or Skip")
    return length


def _check_item(reader: _Reader, info: int) -> int:
    """Return the item's length."""
    check_content = _CONTENTS.get(info & 0x1F)
    if check_content is None:
        _fail(f"a struct of kind {info:#x}")
    if info & 0x80:
        reader.skip_id()
    if info & 0x40:
        reader.skip_id()
    if not info & 0xC0:
        _check_parent(reader)
        if info & 0x20:
            reader.skip_text()
    return check_content(reader)


def _check_parent(reader: _Reader) -> None:
    kind = reader.byte()
    if kind == 1:
        reader.skip_text()
    elif kind == 0:
        reader.skip_id()
    else:
        _fail(f"a parent of kind {kind}")


def _check_deleted(reader: _Reader) -> int:
    return reader.uint()


def _check_binary(reader: _Reader) -> int:
    reader.buffer()
    return 1


def _check_string(reader: _Reader) -> int:
    text = reader.buffer()
    return len(text) if text.isascii() else _utf16(text)


def _check_embed(reader: _Reader) -> int:
    _check_json(reader.buffer())
    return 1


def _check_format(reader: _Reader) -> int:
    reader.skip_text()
    _check_json(reader.buffer())
    return 1


def _check_type(reader: _Reader) -> int:
    kind = reader.byte()
    if kind == _XML_ELEMENT:
        reader.skip_text()
    elif kind not in _NAMELESS_TYPES:
        _fail(f"a type of kind {kind}")
    return 1


def _check_values(reader: _Reader) -> int:
    count = reader.count(1)
    _check_any(reader, count)
    return count


def _check_doc(reader: _Reader) -> int:
    reader.skip_text()
    if reader.data[reader.pos] != _OBJECT:
        _fail("a subdocument without options")
    _check_any(reader, 1)
    return 1


_CONTENTS: dict[int, Callable[[_Reader], int]] = {
    1: _check_deleted,
    3: _check_binary,
    4: _check_string,
    5: _check_embed,
    6: _check_format,
    7: _check_type,
    8: _check_values,
    9: _check_doc,
}


def _check_any(reader: _Reader, count: int) -> None:
    """Check `count` values, as lib0 writes them."""
    keyed = False
    outer: list[tuple[int, bool]] = []
    while True:
        while not count:
            if not outer:
                return
            count, keyed = outer.pop()
        count -= 1
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
                _fail(f"values nested deeper than {MAX_NESTING}")
            keyed = kind == _OBJECT
            count = reader.count(2 if keyed else 1)
        elif kind == 116:
            reader.buffer()
        else:
            _fail(f"a value of kind {kind}")


def _check_json(text: bytes) -> None:
    try:
        value = _json.decode(text.decode())
    except (ValueError, RecursionError):
        raise _malformed("JSON that cannot be read") from None
    if text.count(b"[") + text.count(b"{") > MAX_NESTING:
        _check_nesting(value)


def _check_nesting(value: object) -> None:
    level = [value]
    for _ in range(MAX_NESTING):
        level = [inner for item in level for inner in _members(item)]
    if any(isinstance(item, dict | list) for item in level):
        _fail(f"JSON nested deeper than {MAX_NESTING}")


def _members(container: object) -> Iterable[object]:
    if isinstance(container, dict):
        return container.values()
    return container if isinstance(container, list) else ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# `float`: the value does not matter, and a number of any length is one. Unlike Python's, the JSON
# of others knows no NaN.
_json = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)


def _number(varint: bytes) -> int:
    value = shift = 0
    for byte in varint:
        value |= (byte & 127) << shift
        shift += 7
    return value


# The updates of one writer all name the same client.
_client_number = lru_cache(maxsize=1024)(_number)


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise _malformed("a string that is not UTF-8") from None


def _utf16(text: bytes) -> int:
    """Return the length of a string as JavaScript counts it."""
    return len(_decode(text).encode("utf-16-le")) // 2


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(f"malformed update or state vector: {what}", code=1007)


def _fail(what: str) -> NoReturn:
    raise _malformed(what)


class _Reader:
    """Reads numbers and strings from bytes; an `IndexError` means that they end too early."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pos = 0

    def byte(self) -> int:
        byte = self.data[self.pos]
        self.pos += 1
        return byte

    def uint(self) -> int:
        data = self.data
        pos = self.pos
        value = data[pos]
        if value > 127:
            value &= 127
            for shift in _SHIFTS:
                pos += 1
                byte = data[pos]
                value |= (byte & 127) << shift
                if byte < 128:
                    break
            else:
                _fail("a number of more than 53 bits")
            if value >= _CLIENTS:
                _fail("a number of more than 53 bits")
        self.pos = pos + 1
        return value

    def clock(self) -> int:
        clock = self.uint()
        if clock >= _CLOCKS:
            _fail(f"a clock of {clock}")
        return clock

    def skip_id(self) -> None:
        self.uint()
        self.clock()

    def skip_int(self) -> None:
        """Skip a signed number; its first byte holds six bits of it."""
        data = self.data
        start = pos = self.pos
        while data[pos] > 127:
            pos += 1
        if pos - start > 7 or (pos - start == 7 and data[pos] > 31):
            _fail("an integer of more than 53 bits")
        self.pos = pos + 1

    def count(self, size: int) -> int:
        """Read how many things follow, each of at least `size` bytes."""
        count = self.uint()
        if count * size > len(self.data) - self.pos:
            _fail(f"a count of {count} in {len(self.data)} bytes")
        return count

    def skip(self, size: int) -> None:
        self.pos += size
        if self.pos > len(self.data):
            raise IndexError

    def buffer(self) -> bytes:
        """Read bytes after their number."""
        size = self.uint()
        start = self.pos
        self.skip(size)
        return self.data[start : self.pos]

    def skip_text(self) -> None:
        """Skip a string."""
        text = self.buffer()
        if not text.isascii():
            _decode(text)

    def finish(self) -> None:
        if self.pos != len(self.data):
            _fail(f"{len(self.data) - self.pos} bytes too many")
