"""What becomes of messages under a mutator that is seeded."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.fuzz import corpus
from tests.fuzz.grammar import random_update
from tests.fuzz.varint import BOUNDARIES, var_uint
from ycore.protocol import Kind, Message

__all__ = ["mutate", "random_frame"]


def random_frame(rand: Random) -> bytes:
    """Return a frame: some are valid, some almost, some not at all."""
    kind = rand.random()
    if kind < 0.15:
        return b"".join(corpus.encode(_message(rand)) for _ in range(rand.choice([1, 1, 2, 5])))
    if kind < 0.40:
        message, other = _message(rand), _message(rand)
        payload = mutate(rand, message.payload, other.payload)
        return corpus.encode(Message(message.kind, payload))
    if kind < 0.70:
        return corpus.encode(Message(rand.choice(_UPDATES), random_update(rand)))
    return mutate(rand, corpus.encode(_message(rand)), corpus.encode(_message(rand)))


def mutate(rand: Random, data: bytes, other: bytes) -> bytes:
    """Return bytes that were changed in a few places.

    Args:
        rand: Decides how.
        data: What to change.
        other: What to splice in.
    """
    changed = bytearray(data)
    for _ in range(rand.choice([1, 1, 1, 2, 4])):
        rand.choice(_MUTATIONS)(rand, changed, rand.randrange(len(changed) + 1), other)
    return bytes(changed)


_UPDATES = (Kind.UPDATE, Kind.UPDATE, Kind.STEP2)


def _message(rand: Random) -> Message:
    # By kind first: most of the corpus are updates.
    kind = rand.choice(list(Kind))
    return rand.choice([message for message in corpus.messages() if message.kind is kind])


def _flip(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    if at < len(data):
        data[at] ^= 1 << rand.randrange(8)


def _replace(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    data[at : at + 1] = rand.randbytes(1)


def _truncate(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    del data[at:]


def _remove(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    del data[at : at + rand.randrange(1, 5)]


def _duplicate(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    data[at:at] = data[at : at + rand.randrange(1, 40)]


def _splice(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    data[at:] = other[rand.randrange(len(other) + 1) :]


def _insert_number(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    data[at:at] = var_uint(rand.choice(BOUNDARIES))


def _replace_number(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    data[at : _end_of_number(data, at)] = var_uint(rand.choice(BOUNDARIES))


def _change_number(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    """Change what may be a length by a little."""
    if at < len(data) and data[at] < 128:
        data[at] = (data[at] + rand.choice([-2, -1, 1, 2])) % 128


def _insert_kind(rand: Random, data: bytearray, at: int, other: bytes) -> None:
    """Insert what may be read as the kind of something."""
    data[at:at] = bytes([rand.choice([0, 1, 2, 3, 10, 0x66, 117, 127, 132, 196])])


def _end_of_number(data: bytearray, at: int) -> int:
    while at < len(data) and data[at] > 127:
        at += 1
    return at + 1


_MUTATIONS: tuple[Callable[[Random, bytearray, int, bytes], None], ...] = (
    _flip,
    _replace,
    _truncate,
    _remove,
    _duplicate,
    _splice,
    _insert_number,
    _replace_number,
    _change_number,
    _insert_kind,
)
