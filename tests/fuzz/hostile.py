"""Hostile messages by name, each with the close code that it has to be answered with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.fuzz.varint import var_bytes, var_uint
from ycore.protocol import (
    AwarenessEntry,
    encode_awareness,
    encode_echo,
    encode_entries,
    encode_step1,
    encode_step2,
    encode_update,
)

__all__ = ["HOSTILE", "Case", "section", "string", "update"]


class Case(NamedTuple):
    """Something hostile to send."""

    frames: Callable[[], list[bytes]]
    """Makes the messages; some are large."""

    code: int | None
    """The close code with which a server has to answer, or None if it has to take it."""

    code_of_client: int | None
    """The same for a client."""


PANIC = bytes.fromhex("010101ffffffff0f040101740b68656c6c6f20776f726c6400")
"""A struct whose clock and length pass 2^32: with it alone pycrdt 0.14.13 panics."""

MALFORMED, WRONG, TOO_BIG, TAKEN = 1002, 1007, 1009, None

ROOT = b"\x01" + var_bytes(b"text")

CLIENT = 4_000_000_000


def update(*sections: bytes, deletions: bytes = b"\x00") -> bytes:
    """Return an update; see `ycore.updates` for the grammar."""
    return var_uint(len(sections)) + b"".join(sections) + deletions


def section(*structs: bytes, client: int = CLIENT, clock: int = 0) -> bytes:
    """Return the structs of one client."""
    return var_uint(len(structs)) + var_uint(client) + var_uint(clock) + b"".join(structs)


def string(text: str, *, origin: tuple[int, int] | None = None) -> bytes:
    """Return a struct: a string behind its origin, or at the beginning of a text."""
    if origin is None:
        return b"\x04" + ROOT + var_bytes(text.encode())
    return b"\x84" + var_uint(origin[0]) + var_uint(origin[1]) + var_bytes(text.encode())


def _one(content: int, data: bytes) -> bytes:
    return update(section(bytes([content]) + ROOT + data))


def _gc(length: int) -> bytes:
    return b"\x00" + var_uint(length)


def _deletions(*ranges: tuple[int, int]) -> bytes:
    encoded = b"".join(var_uint(clock) + var_uint(length) for clock, length in ranges)
    return b"\x01" + var_uint(CLIENT) + var_uint(len(ranges)) + encoded


def _states(*states: str) -> bytes:
    entries = (AwarenessEntry(CLIENT + n, 1, state) for n, state in enumerate(states))
    return encode_awareness(encode_entries(list(entries)))


def _entry(client: int, clock: int, state: bytes) -> bytes:
    return encode_awareness(b"\x01" + var_uint(client) + var_uint(clock) + var_bytes(state))


def _nested(opening: bytes, closing: bytes, depth: int = 200_000) -> bytes:
    return opening * depth + closing * depth


HOSTILE: dict[str, Case] = {}
"""By name."""


def _add(
    name: str, code: int | None, *frames: bytes | Callable[[], bytes], client: int | None = -1
) -> None:
    def make() -> list[bytes]:
        return [frame if isinstance(frame, bytes) else frame() for frame in frames]

    HOSTILE[name] = Case(make, code, code if client == -1 else client)


# Updates that pycrdt must not see

_add("a clock beyond 2^32", WRONG, encode_update(PANIC))
_add("a clock beyond 2^32 in step 2", WRONG, encode_step2(PANIC))
_add(
    "a clock beyond 2^32 behind a good update",
    WRONG,
    encode_update(update(section(string("good")))) + encode_update(PANIC),
)
_add(
    "arrays nested 200,000 deep",
    WRONG,
    lambda: encode_update(_one(8, b"\x01" + b"\x75\x01" * 200_000 + b"\x7e")),
)
_add(
    "objects nested 200,000 deep",
    WRONG,
    lambda: encode_update(_one(8, b"\x01" + b"\x76\x01\x01k" * 200_000 + b"\x7e")),
)
_add(
    "an embed nested 200,000 deep",
    WRONG,
    lambda: encode_update(_one(5, var_bytes(_nested(b"[", b"]")))),
)
_add("no update at all", WRONG, encode_update(b"\xff" * 20))
_add("an update of no bytes", WRONG, encode_update(b""))
_add("an update that ends too early", WRONG, encode_update(update(section(string("cut")))[:-4]))
_add("an update with more behind it", WRONG, encode_update(update(section(string("a"))) + b"x"))
_add("a string that is no UTF-8", WRONG, encode_update(_one(4, b"\x02\xc3\x28")))
_add("content that pycrdt misreads", WRONG, encode_update(_one(2, b"\x01" + var_bytes(b"1"))))
_add("content that nobody knows", WRONG, encode_update(_one(30, b"\x01")))
_add("a section without content", WRONG, encode_update(update(section())))
_add("2^31 structs", WRONG, encode_update(b"\x01" + var_uint(2**31) + b"\x01\x00" + string("a")))
_add("a string of 2^60 bytes", WRONG, encode_update(_one(4, var_uint(2**60) + b"a")))
_add("a string of 2^52 bytes", WRONG, encode_update(_one(4, var_uint(2**52) + b"a")))
_add("values by the 2^31", WRONG, encode_update(_one(8, var_uint(2**31))))
_add("deletions by the 2^31", WRONG, encode_update(b"\x00" + var_uint(2**31)))

# Updates that pycrdt does not take, or not at once

_add(
    "a parent that is no type",
    WRONG,
    encode_update(update(section(string("ab"), b"\x04\x00" + var_uint(CLIENT) + b"\x00\x01c"))),
    client=WRONG,
)
_add(
    "a gap that is filled askew",
    TAKEN,
    encode_update(update(section(_gc(1), clock=3))),
    encode_update(update(section(_gc(1), string("aa", origin=(CLIENT, 1)), clock=1))),
)
_add(
    "a gap that is filled askew at once",
    TAKEN,
    encode_update(update(section(_gc(4), clock=3))),
    encode_update(update(section(_gc(1), string("aaaaaa", origin=(CLIENT, 0))))),
)
_add(
    "gaps by the thousand",
    TAKEN,
    lambda: b"".join(
        encode_update(update(section(string("x"), clock=2 * clock))) for clock in range(1, 1000)
    ),
)
_add("a deletion of what never was", TAKEN, encode_update(update(deletions=_deletions((0, 9)))))
_add(
    "a deletion of everything there could be",
    TAKEN,
    encode_update(update(deletions=_deletions((0, 2**31 - 1)))),
)
_add(
    "deletions by the 100,000",
    TAKEN,
    lambda: encode_update(update(deletions=_deletions(*((2 * n, 1) for n in range(100_000))))),
)
_add("a client that has forgotten 2^30 things", TAKEN, encode_update(update(section(_gc(2**30)))))

# State vectors

_add("a state vector that declares 10,000,000", WRONG, encode_step1(var_uint(10_000_000) + b"\x01"))
_add(
    "a state vector of 10,000,000",
    WRONG,
    lambda: encode_step1(var_uint(10_000_000) + b"\x01\x01" * 10_000_000),
)
_add("a state vector that declares 2^60", WRONG, encode_step1(var_uint(2**60) + b"\x01\x01"))
_add("a state vector of no bytes", WRONG, encode_step1(b""))
_add("a state vector with a clock of 2^31", WRONG, encode_step1(b"\x01\x01" + var_uint(2**31)))
_add(
    "a state vector of 1,000,000",
    TAKEN,
    lambda: encode_step1(
        var_uint(1_000_000) + b"".join(var_uint(2**20 + n) + b"\x01" for n in range(1_000_000))
    ),
)

# Lengths

for _exponent in (31, 60):
    for _name, _head in {
        "an update": b"\x00\x02",
        "a step 1": b"\x00\x00",
        "awareness": b"\x01",
        "an echo": b"\x66",
        "a refusal": b"\x02\x00",
    }.items():
        _add(f"{_name} of 2^{_exponent} bytes", MALFORMED, _head + var_uint(2**_exponent) + b"\x00")
_add("a number without an end", MALFORMED, b"\x00\x02" + b"\x80" * 1000)

# Awareness

_add("awareness of no bytes", MALFORMED, encode_awareness(b""))
_add("awareness that is no JSON", WRONG, _entry(1, 1, b"{"))
_add("awareness that only Python reads", WRONG, _entry(1, 1, b'{"x":NaN}'))
_add("awareness that is no UTF-8", WRONG, _entry(1, 1, b'"\xff"'))
_add("awareness nested 200,000 deep", WRONG, lambda: _entry(1, 1, _nested(b"[", b"]")))
_add("awareness nested 101 deep", WRONG, _entry(1, 1, _nested(b"[", b"]", 102)))
_add("awareness with a clock of 2^53", MALFORMED, _entry(1, 2**53, b"{}"))
_add("awareness with a clock of 2^31", MALFORMED, _entry(1, 2**31, b"{}"))
_add("awareness of a client of 2^53", MALFORMED, _entry(2**53, 1, b"{}"))
_add("awareness that declares 2^60", MALFORMED, encode_awareness(var_uint(2**60)))
_add("awareness of 100,000", MALFORMED, lambda: _states(*["{}"] * 100_000))
_add("awareness of 10,000", TAKEN, lambda: _states(*["{}"] * 10_000))
_add("awareness of 512 KiB", TAKEN, lambda: _states(f'"{"x" * 2**19}"'))
_add("awareness of 2 MiB", TOO_BIG, lambda: _states(f'"{"x" * 2**21}"'), client=TAKEN)
_add(
    "awareness that comes and goes",
    TAKEN,
    lambda: b"".join(_entry(1, clock, b"null" if clock % 2 else b"{}") for clock in range(1, 1000)),
)

# Frames

_add("a frame of no bytes", MALFORMED, b"")
_add("half a message", MALFORMED, b"\x00")
_add("a sync message that nobody knows", MALFORMED, b"\x00\x03\x00")
_add("a permission that nobody knows", MALFORMED, b"\x02\x01\x00")
_add("something behind a message", MALFORMED, encode_echo(b"a") + b"\x7f")
_add("another protocol", MALFORMED, b"\x7bGET / HTTP/1.1", client=TAKEN)
_add("a query with a body first", MALFORMED, b"\x03document", client=TAKEN)
_add("999 questions in a frame", TAKEN, encode_step1(b"\x00") * 999)
_add("999 echoes in a frame", TAKEN, encode_echo(b"x" * 100) * 999)
_add("999 messages of an unknown type", TAKEN, encode_echo(b"first"), *[b"\x7f"] * 999)
_add("5,000 messages in a frame", MALFORMED, encode_step1(b"\x00") * 5000)
_add("5,000 queries", TAKEN, encode_echo(b"first"), *[b"\x03"] * 5000)
_add("512 KiB of echo", TAKEN, lambda: encode_echo(bytes(2**19)))
