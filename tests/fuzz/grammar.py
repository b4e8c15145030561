"""Updates that are well-formed and make little sense: the grammar is in `ycore.updates`."""

from __future__ import annotations

from random import Random

from tests.fuzz.corpus import CLIENTS
from tests.fuzz.varint import BOUNDARIES, var_bytes, var_uint

__all__ = ["random_update"]

ROOTS = (b"text", b"array", b"map", b"xml", b"new", b"")
TEXTS = (b"", b"a", b"hello", "\xe9\u20ac".encode())
KEYS = (b"a", b"", b"bold")
JSON = (b"null", b"1", b'{"a":[1,null]}', b'"\\ud800"', b"{", b"")

GC, SKIP = b"\x00", b"\x0a"
HAS_ORIGIN, HAS_RIGHT_ORIGIN, HAS_KEY = 0x80, 0x40, 0x20


def random_update(rand: Random) -> bytes:
    """Return an update of some clients about positions that exist, more often than not."""
    clients = rand.sample(CLIENTS, rand.choice([0, 1, 1, 1, 2]))
    sections = b"".join(_section(rand, client) for client in clients)
    deleting = rand.sample(CLIENTS, rand.choice([0, 0, 1, 2]))
    deletions = b"".join(_deletions(rand, client) for client in deleting)
    return var_uint(len(clients)) + sections + var_uint(len(deleting)) + deletions


def _section(rand: Random, client: int) -> bytes:
    structs = [_struct(rand) for _ in range(rand.choice([1, 1, 1, 2, 3, 8]))]
    return var_uint(len(structs)) + var_uint(client) + _clock(rand) + b"".join(structs)


def _deletions(rand: Random, client: int) -> bytes:
    ranges = [_clock(rand) + _length(rand) for _ in range(rand.choice([0, 1, 1, 3]))]
    return var_uint(client) + var_uint(len(ranges)) + b"".join(ranges)


def _struct(rand: Random) -> bytes:
    kind = rand.random()
    if kind < 0.1:
        return GC + _length(rand)
    if kind < 0.2:
        return SKIP + _length(rand)
    content, data = _content(rand)
    origins = rand.choice([0, HAS_ORIGIN, HAS_RIGHT_ORIGIN, HAS_ORIGIN | HAS_RIGHT_ORIGIN])
    key = HAS_KEY if rand.random() < 0.3 else 0
    place = b"".join(_id(rand) for bit in (HAS_ORIGIN, HAS_RIGHT_ORIGIN) if origins & bit)
    if not origins:
        root = b"\x01" + var_bytes(rand.choice(ROOTS))
        place = root if rand.random() < 0.6 else b"\x00" + _id(rand)
        place += var_bytes(rand.choice(KEYS)) if key else b""
    return bytes([content | origins | key]) + place + data


def _content(rand: Random) -> tuple[int, bytes]:
    match rand.choice([1, 3, 4, 4, 4, 5, 6, 7, 7, 8, 8, 9]):
        case 1:
            return 1, _length(rand)
        case 5:
            return 5, var_bytes(rand.choice(JSON))
        case 6:
            return 6, var_bytes(rand.choice(KEYS)) + var_bytes(rand.choice(JSON))
        case 7:
            kind = rand.randrange(7)
            return 7, bytes([kind]) + (var_bytes(b"p") if kind == 3 else b"")
        case 8:
            values = [_value(rand) for _ in range(rand.choice([0, 1, 1, 3]))]
            return 8, var_uint(len(values)) + b"".join(values)
        case 9:
            return 9, var_bytes(b"guid") + b"\x76\x01" + var_bytes(b"gc") + _value(rand)
        case kind:
            return kind, var_bytes(rand.choice(TEXTS))


def _value(rand: Random, depth: int = 0) -> bytes:
    match rand.randrange(116, 128) if depth < 5 else 126:
        case 116:
            return b"\x74" + var_bytes(b"\xff\x00")
        case 117:
            return b"\x75\x02" + _value(rand, depth + 1) + _value(rand, depth + 1)
        case 118:
            return b"\x76\x01" + var_bytes(rand.choice(KEYS)) + _value(rand, depth + 1)
        case 119:
            return b"\x77" + var_bytes(rand.choice(TEXTS))
        case 122 | 123:
            return b"\x7b" + rand.randbytes(8)
        case 124:
            return b"\x7c" + rand.randbytes(4)
        case 125:
            return b"\x7d" + rand.choice([b"\x05", b"\x40", b"\xff\xff\x7f", b"\xbf\xff\xff\x1f"])
        case kind:
            return bytes([kind])


def _id(rand: Random) -> bytes:
    return var_uint(rand.choice(CLIENTS)) + _clock(rand)


def _clock(rand: Random) -> bytes:
    if rand.random() < 0.02:
        return var_uint(rand.choice(BOUNDARIES))
    # Small ones are within what the corpus holds, large ones behind a gap.
    return var_uint(rand.choice([0, 0, rand.randrange(8), rand.randrange(400)]))


def _length(rand: Random) -> bytes:
    if rand.random() < 0.02:
        return var_uint(rand.choice(BOUNDARIES))
    return var_uint(rand.choice([1, 1, 2, rand.randrange(100)]))
