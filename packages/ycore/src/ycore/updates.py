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
from collections.abc import Generator
from typing import TypeVar

from .extent import Clocks, Extent, Run
from .items import VALUES, check_head
from .keystrokes import check_keystroke
from .lib0 import CLIENT, CLOCK, CLOCKS, Reader, encode_uint, fail, malformed
from .values import walk_values

__all__ = [
    "check_update",
    "decode_state_vector",
    "is_within_a_pair",
    "walk_state_vector",
    "walk_update",
]

MAX_JOINED = 128 * 1024 * 1024
"""So many characters may be copied when the pieces of a text are joined. pycrdt 0.14.13 joins what
follows each other piece by piece, at a cost that grows with the square: 100,000 pieces of a
character each took 5 GB and 11 s."""

MAX_CLIENTS = 1_000_000
"""A state vector may tell of so many; each costs about 100 bytes while it is looked at."""

MAX_RUN = 20_000
"""Among so many structs it is looked for a surrogate pair: that takes about 20 ms."""

SMALL = 8
"""In an update of so many structs it is looked on what they build."""

Result = TypeVar("Result")

_GC = 0
_SKIP = 10
_STRING = 4
KIND = 0x1F

_ID = CLIENT + CLOCK
# A deleted or string item with origins, up to its length when that is less than 128.
_match_run = re.compile(
    rb"(?:[\x81\x84\x41\x44]%b|[\xc1\xc4]%b%b)[\x01-\x7f]" % (_ID, _ID, _ID)
).match


def check_update(update: bytes) -> Extent:
    """Check that an update has the right shape and nothing out of bounds.

    What depends on the document, such as whether an origin exists, is not checked.

    Raises:
        ProtocolError: The update is malformed (close code 1007).
    """
    extent = check_keystroke(update)
    return _run(walk_update(update)) if extent is None else extent


def walk_update(update: bytes) -> Generator[None, None, Extent]:
    """Do the same in steps, for an update that is large: pause now and then.

    Raises:
        ProtocolError: The update is malformed (close code 1007).
    """
    try:
        return (yield from _walk_any_update(update))
    except IndexError:
        raise malformed("it ends too early") from None


def decode_state_vector(state: bytes) -> dict[int, int]:
    """Check a state vector and return its clocks by client.

    Raises:
        ProtocolError: The state vector is malformed (close code 1007).
    """
    return _run(_walk_any_state_vector(Reader(state)))


def walk_state_vector(state: bytes) -> Generator[None, None, dict[int, int]]:
    """Do the same in steps, for a state vector that is large: pause now and then.

    Raises:
        ProtocolError: The state vector is malformed, or tells of too many clients (close code
            1007).
    """
    clients = Reader(state).count(2)
    if clients > MAX_CLIENTS:
        fail(f"a state vector of {clients} clients")
    return (yield from _walk_any_state_vector(Reader(state)))


def _walk_any_state_vector(reader: Reader) -> Generator[None, None, dict[int, int]]:
    clocks: dict[int, int] = {}
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


def is_within_a_pair(update: bytes, run: Run, clock: int) -> bool:
    """Whether a clock is that of the second half of a surrogate pair in a run of an update.

    Args:
        update: The update, which was checked.
        run: The run; among very many structs it is not looked for the clock.
        clock: The clock.
    """
    if not run.clock < clock < run.end or run.structs > MAX_RUN:
        return False
    reader = Reader(update)
    reader.pos = run.start
    offset = clock - run.clock
    while True:
        info = reader.byte()
        if info == _GC:
            length, text = reader.uint(), b""
        else:
            check_content = check_head(reader, info)
            begin = reader.pos
            length = check_content(reader)
            if check_content in VALUES:
                length = _run(walk_values(reader, length))
            text = update[begin : reader.pos] if info & KIND == _STRING else b""
        if offset < length:
            break
        offset -= length
    if not offset or not text:
        return False
    half = Reader(text).buffer().decode().encode("utf-16-le")[2 * offset : 2 * offset + 2]
    return 0xDC <= half[1] < 0xE0


def _run(walk: Generator[None, None, Result]) -> Result:
    """Walk to the end without a pause."""
    while True:
        try:
            next(walk)
        except StopIteration as stop:
            result: Result = stop.value
            return result


def _walk_any_update(update: bytes) -> Generator[None, None, Extent]:
    reader = Reader(update)
    ends: dict[int, int] = {}
    runs: list[Run] = []
    clients = set()
    neighbours: Clocks | None = None
    for _ in range(reader.count(3)):
        client, found, neighbours = yield from _walk_section(reader)
        if client in clients:
            fail(f"two sections of client {client}")
        clients.add(client)
        if found:
            runs += found
            ends[client] = found[-1].end
    deleting = reader.pos
    for _ in range(reader.count(2)):
        if reader.pos > reader.pause:
            reader.take_pause()
            yield
        client = reader.uint()
        end = yield from _walk_deletions(reader)
        if end > ends.get(client, 0):
            ends[client] = end
    reader.finish()
    if len(runs) != 1 or len(clients) != 1:
        neighbours = None
    return Extent(ends, runs, deleting, neighbours, reader.has_pairs)


def _walk_section(
    reader: Reader,
) -> Generator[None, None, tuple[int, list[Run], dict[int, int] | None]]:
    """Return the client of a section, its runs, and what they build on if they are few structs."""
    count = reader.count(2)
    client = reader.uint()
    start = clock = begun = reader.clock()
    data = reader.data
    runs: list[Run] = []
    first, begin = 0, reader.pos
    # No less could be too much.
    joints = _Joints(client) if count * len(data) > MAX_JOINED else None
    neighbours: dict[int, int] | None = {} if count <= SMALL else None
    for index in range(count):
        if reader.pos > reader.pause:
            reader.take_pause()
            yield
        pos = reader.pos
        match = _match_run(data, pos) if neighbours is None else None
        if match is not None:
            behind = match.end()
            length = data[behind - 1]
            if data[pos] & _STRING:
                text = data[behind : behind + length]
                reader.pos = behind + length
                if not text.isascii():
                    length = reader.length_of(text)
            else:
                reader.pos = behind
        else:
            info = reader.byte()
            if info == _SKIP:
                if clock > begun:
                    runs.append(Run(client, begun, clock, index - first, begin, pos))
                clock += _check_range(reader)
                begun, first, begin = clock, index + 1, reader.pos
                continue
            if info == _GC:
                length = _check_range(reader)
            else:
                check_content = check_head(reader, info, neighbours)
                if neighbours and neighbours.pop(client, 0) > clock:
                    # On itself, or on what is still to come: nobody writes this.
                    neighbours = None
                if check_content in VALUES:
                    length = yield from walk_values(reader, check_content(reader))
                else:
                    length = check_content(reader)
        if joints is not None:
            joints.note(data, pos, clock, length)
        clock += length
    if clock == start:
        # Nobody writes these; pycrdt panics when it knows the client.
        fail("a section without content")
    if clock >= CLOCKS:
        fail(f"a clock of {clock}")
    if clock > begun:
        runs.append(Run(client, begun, clock, count - first, begin, reader.pos))
    return client, runs, neighbours


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
