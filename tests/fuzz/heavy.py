"""Valid messages that are dear: what they cost a server is measured, not tested."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.fuzz.hostile import section, string, update
from tests.fuzz.varint import var_bytes, var_uint
from ycore.protocol import encode_update

__all__ = ["HEAVY"]

MESSAGES = 1000
"""So many messages may be in a frame."""


def _frames(updates: Iterable[bytes]) -> list[bytes]:
    messages = [encode_update(each) for each in updates]
    return [
        b"".join(messages[start : start + MESSAGES]) for start in range(0, len(messages), MESSAGES)
    ]


def same_place(clients: int) -> list[bytes]:
    """Insert at the beginning of a text, each time by another client: they all conflict."""
    return _frames(update(section(string("x"), client=2**20 + client)) for client in range(clients))


def same_key(clients: int) -> list[bytes]:
    """Set the same key of a map, each time by another client."""
    item = b"\x28\x01" + var_bytes(b"map") + var_bytes(b"key") + b"\x01\x7e"
    return _frames(update(section(item, client=2**20 + client)) for client in range(clients))


def many_clients(clients: int) -> list[bytes]:
    """Write as so many clients, in one update."""
    sections = (section(string("x"), client=2**20 + client) for client in range(clients))
    return [encode_update(update(*sections))]


def many_strings(count: int) -> list[bytes]:
    """Write one character at a time, in one update."""
    client = 2**20
    behind = (string("x", origin=(client, clock)) for clock in range(count - 1))
    return [encode_update(update(section(string("x"), *behind, client=client)))]


def many_deletions(count: int) -> list[bytes]:
    """Write a text, then delete every other character of it, in two updates."""
    client = 2**20
    ranges = b"".join(var_uint(2 * n) + b"\x01" for n in range(count))
    deletions = b"\x01" + var_uint(client) + var_uint(count) + ranges
    text = update(section(string("x" * 2 * count), client=client))
    return [encode_update(text), encode_update(update(deletions=deletions))]


def many_subdocuments(count: int) -> list[bytes]:
    """Put subdocuments into a map, in one update."""
    items = (
        b"\x29\x01"
        + var_bytes(b"map")
        + var_bytes(b"%d" % n)
        + var_bytes(b"guid%d" % n)
        + b"\x76\x00"
        for n in range(count)
    )
    return [encode_update(update(section(*items, client=2**20)))]


def many_formats(count: int) -> list[bytes]:
    """Format an empty place again and again."""
    client = 2**20
    items = (
        b"\x86" + var_uint(client) + var_uint(clock) + var_bytes(b"bold") + var_bytes(b"true")
        for clock in range(count)
    )
    return [encode_update(update(section(string("x"), *items, client=client)))]


def one_string(size: int) -> list[bytes]:
    """Write a long string."""
    return [encode_update(update(section(string("x" * size), client=2**20)))]


def one_long_value(count: int) -> list[bytes]:
    """Write an array of values of one byte."""
    item = b"\x08\x01" + var_bytes(b"array") + var_uint(count) + b"\x7e" * count
    return [encode_update(update(section(item, client=2**20)))]


def _add(make: Callable[[int], list[bytes]], *sizes: int) -> None:
    for size in sizes:
        name = f"{make.__name__.replace('_', ' ')}: {size:,}"
        HEAVY[name] = lambda size=size: make(size)  # type: ignore[misc]


HEAVY: dict[str, Callable[[], list[bytes]]] = {}
"""By name; several frames are sent one after another."""

_add(same_place, 1000, 5000, 10_000)
_add(same_key, 1000, 5000, 10_000)
_add(many_clients, 1000, 10_000, 100_000)
_add(many_strings, 10_000, 20_000, 40_000)
_add(many_deletions, 10_000, 100_000)
_add(many_subdocuments, 1000, 20_000)
_add(many_formats, 10_000, 100_000)
_add(one_string, 200_000, 10_000_000)
_add(one_long_value, 200_000, 10_000_000)
