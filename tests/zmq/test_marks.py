"""Marks: how it is known what the peer has read."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from anyio import fail_after

from tests.slow_lines.ends import End, connected_ends
from ycore import ProtocolError
from ywire_zmq.frames import MESSAGE_COST, PIECE_SIZE, WINDOW, Ack, Mark, decode, encode

MESSAGE = bytes(1000)
COST = len(MESSAGE) + MESSAGE_COST

LARGE = bytes(WINDOW + PIECE_SIZE)


def fill(sender: End) -> int:
    """Send until the connection is full; return how many messages went."""
    count = 0
    while sender.send_nowait(MESSAGE):
        count += 1
    return count


def marks_among(frames: Iterable[bytes]) -> list[Mark]:
    return [mark for mark in map(decode, frames) if isinstance(mark, Mark)]


def acks_among(frames: Iterable[bytes]) -> list[Ack]:
    return [ack for ack in map(decode, frames) if isinstance(ack, Ack)]


async def test_what_is_read_makes_room_before_all_is_read() -> None:
    sender, receiver = connected_ends()
    count = fill(sender)
    assert WINDOW <= count * COST < WINDOW + COST
    sender.carry()
    assert not sender.send_nowait(MESSAGE)
    for _ in range(count // 10):
        await receiver.receive()
    sender.carry()
    assert count // 20 < fill(sender) <= count // 10


async def test_taken_grows_with_what_is_read_and_nothing_else() -> None:
    sender, receiver = connected_ends()
    count = fill(sender)
    assert receiver.send_nowait(MESSAGE)
    sender.carry()
    assert sender.taken == 0
    assert sender.carried == COST
    for _ in range(count):
        await receiver.receive()
    sender.carry()
    assert 0.9 * WINDOW < sender.taken <= count * COST


async def test_a_large_message_is_acknowledged_piece_by_piece() -> None:
    sender, receiver = connected_ends()
    assert sender.send_nowait(LARGE)
    taken = []
    while sender.under_way:
        receiver.deliver(sender.under_way.popleft())
        while receiver.under_way:
            sender.deliver(receiver.under_way.popleft())
            taken.append(sender.taken)
    assert taken == [(PIECE_SIZE + MESSAGE_COST) * number for number in range(1, len(taken) + 1)]
    assert taken[-1] >= WINDOW


async def test_marks_cannot_be_predicted() -> None:
    numbers: list[int] = []
    for sender, _ in (connected_ends(), connected_ends()):
        fill(sender)
        numbers += [mark.number for mark in marks_among(sender.under_way)]
    assert len(set(numbers)) == len(numbers) > WINDOW // PIECE_SIZE
    assert max(numbers) > 2**60


async def test_an_acknowledgement_counts_once() -> None:
    sender, _ = connected_ends()
    fill(sender)
    first, *_, last = [Ack(mark.number) for mark in marks_among(sender.under_way)]
    for ack in (last, first):
        sender.deliver(encode(ack))
    with fail_after(1), pytest.raises(ProtocolError, match="ACK"):
        await sender.receive()


async def test_a_mark_that_the_socket_does_not_take_is_made_up_for() -> None:
    sender, receiver = connected_ends()
    for _ in range(2 * WINDOW // COST):
        sender.is_full = True
        assert not sender.send_nowait(MESSAGE)
        sender.is_full = False
        assert sender.send_nowait(MESSAGE)
        sender.carry()
        assert await receiver.receive() == MESSAGE


async def test_an_acknowledgement_that_the_socket_does_not_take_is_made_up_for() -> None:
    sender, receiver = connected_ends()
    receiver.is_full = True
    for _ in range(fill(sender)):
        sender.carry()
        await receiver.receive()
    assert not sender.send_nowait(MESSAGE)
    receiver.is_full = False
    # With a heartbeat at the latest.
    receiver.beat()
    assert len(acks_among(receiver.under_way)) == 1
    sender.carry()
    assert sender.send_nowait(MESSAGE)


async def test_of_marks_with_nothing_in_between_the_last_one_is_acknowledged() -> None:
    _, receiver = connected_ends()
    receiver.deliver(MESSAGE)
    for number in range(1000):
        receiver.deliver(encode(Mark(number)))
    assert not receiver.under_way
    await receiver.receive()
    assert acks_among(receiver.under_way) == [Ack(999)]


async def test_a_mark_is_acknowledged_at_once_if_all_is_read() -> None:
    _, receiver = connected_ends()
    receiver.deliver(MESSAGE)
    await receiver.receive()
    receiver.deliver(encode(Mark(7)))
    assert acks_among(receiver.under_way) == [Ack(7)]
