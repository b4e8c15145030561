"""Numbers and strings as lib0 writes them (`encoding.js`), read in bounds."""

from __future__ import annotations

from typing import NoReturn

from .codes import INVALID_DATA
from .errors import ProtocolError

__all__ = [
    "CLIENT",
    "CLOCK",
    "CLOCKS",
    "Reader",
    "decode_text",
    "encode_uint",
    "fail",
    "malformed",
    "measure",
]

CLOCKS = 2**31
"""Clocks are below this."""

CLIENTS = 2**53
"""Ids of clients, and all other numbers, are below this: JavaScript's are."""

# Numbers within these bounds, as patterns.
CLIENT = rb"(?:[\x80-\xff]{0,6}[\x00-\x7f]|[\x80-\xff]{7}[\x00-\x0f])"
CLOCK = rb"(?:[\x80-\xff]{0,3}[\x00-\x7f]|[\x80-\xff]{4}[\x00-\x07])"

PAUSE = 4096
"""After so many bytes it is time for a pause: to walk over them takes about a millisecond."""

SHIFTS = range(7, 56, 7)


def decode_text(text: bytes) -> str:
    """Return a text that is UTF-8.

    Raises:
        ProtocolError: It is not.
    """
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise malformed("a string that is not UTF-8") from None


def measure(text: bytes) -> tuple[int, bool]:
    """Return the length of a string as JavaScript counts it, and whether it has surrogate pairs.

    Raises:
        ProtocolError: It is not UTF-8.
    """
    decoded = decode_text(text)
    length = len(decoded.encode("utf-16-le")) // 2
    return length, length != len(decoded)


def malformed(what: str) -> ProtocolError:
    """Return the error for bytes that are not what they should be."""
    return ProtocolError(f"malformed update or state vector: {what}", code=INVALID_DATA)


def fail(what: str) -> NoReturn:
    """Raise that error."""
    raise malformed(what)


def encode_uint(number: int) -> bytes:
    """Return a number as it is written."""
    if number < 0x80:
        return bytes((number,))
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


class Reader:
    """Reads numbers and strings from bytes; an `IndexError` means that they end too early."""

    __slots__ = ("data", "has_pairs", "pause", "pos")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pos = 0
        self.has_pairs = False
        """Whether a string with a surrogate pair was measured."""
        self.pause = PAUSE
        """Beyond this position it is time for a pause."""

    def take_pause(self) -> None:
        """Set the time for the next pause."""
        self.pause = self.pos + PAUSE

    def byte(self) -> int:
        """Read a byte."""
        byte = self.data[self.pos]
        self.pos += 1
        return byte

    def uint(self) -> int:
        """Read a number."""
        data = self.data
        pos = self.pos
        value = data[pos]
        if value > 127:
            value &= 127
            for shift in SHIFTS:
                pos += 1
                byte = data[pos]
                value |= (byte & 127) << shift
                if byte < 128:
                    break
            else:
                fail("a number of more than 53 bits")
            if value >= CLIENTS:
                fail("a number of more than 53 bits")
        self.pos = pos + 1
        return value

    def clock(self) -> int:
        """Read a clock."""
        clock = self.uint()
        if clock >= CLOCKS:
            fail(f"a clock of {clock}")
        return clock

    def skip_id(self) -> None:
        """Skip a client and a clock."""
        self.uint()
        self.clock()

    def skip_int(self) -> None:
        """Skip a signed number; its first byte holds six bits of it."""
        data = self.data
        start = pos = self.pos
        while data[pos] > 127:
            pos += 1
        if pos - start > 7 or (pos - start == 7 and data[pos] > 31):
            fail("an integer of more than 53 bits")
        self.pos = pos + 1

    def count(self, size: int) -> int:
        """Read how many things follow, each of at least `size` bytes."""
        count = self.uint()
        if count * size > len(self.data) - self.pos:
            fail(f"a count of {count} in {len(self.data)} bytes")
        return count

    def skip(self, size: int) -> None:
        """Skip bytes."""
        self.pos += size
        if self.pos > len(self.data):
            raise IndexError

    def buffer(self) -> bytes:
        """Read bytes after their number."""
        size = self.uint()
        start = self.pos
        self.skip(size)
        return self.data[start : self.pos]

    def length_of(self, text: bytes) -> int:
        """Return the length of a string as JavaScript counts it."""
        if text.isascii():
            return len(text)
        length, has_pairs = measure(text)
        self.has_pairs = self.has_pairs or has_pairs
        return length

    def skip_text(self) -> None:
        """Skip a string."""
        text = self.buffer()
        if not text.isascii():
            decode_text(text)

    def finish(self) -> None:
        """Make sure that nothing is left."""
        if self.pos != len(self.data):
            fail(f"{len(self.data) - self.pos} bytes too many")
