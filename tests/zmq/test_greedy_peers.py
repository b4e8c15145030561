"""What a peer that breaks the rules can have the other side keep for it, and do for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from anyio import create_task_group, fail_after
from anyio.lowlevel import checkpoint
from pycrdt import Text

from tests.slow_lines.ends import End, connected_ends
from ycore import ProtocolError
from ycore.protocol import encode_step1
from ycore.replica import EMPTY_STATE
from ywire_zmq import ZmqServer
from ywire_zmq.frames import (
    MESSAGE_COST,
    PIECE_SIZE,
    WINDOW,
    Ack,
    Bye,
    Hello,
    Ping,
    Pong,
    decode,
    encode,
)

# The fixture, whose class is in conftest.py.
Peer = Callable[..., AbstractContextManager[Any]]

LARGE = bytes(4 * WINDOW)
"""What no window takes at once."""

TINY = b"x"
TINY_COST = len(TINY) + MESSAGE_COST

MOST_IN_A_TURN = 4000
"""How many messages a task may receive before others get their turn; on trio it may get two turns
in a row."""


def size_of_what_was_sent(end: End) -> int:
    return sum(map(len, end.under_way))


@pytest.mark.parametrize("message", [TINY, bytes(PIECE_SIZE), LARGE], ids=len)
async def test_who_has_not_read_cannot_acknowledge(message: bytes) -> None:
    sender, _ = connected_ends()
    while sender.send_nowait(message):
        pass
    cost = min(len(message), PIECE_SIZE) + MESSAGE_COST
    for guess in range(cost, WINDOW, cost):
        sender.deliver(encode(Ack(guess)))
    assert size_of_what_was_sent(sender) < WINDOW + 2 * PIECE_SIZE
    assert not sender.send_nowait(message)
    with fail_after(1), pytest.raises(ProtocolError, match="ACK"):
        await sender.receive()


async def test_who_ignores_the_window_has_no_more_waiting_than_who_does_not() -> None:
    _, receiver = connected_ends()
    sent = 0
    while sent <= WINDOW + TINY_COST:
        receiver.deliver(TINY)
        sent += TINY_COST
    received = 0
    with fail_after(5), pytest.raises(ProtocolError, match="window") as caught:
        while True:
            assert await receiver.receive() == TINY
            received += TINY_COST
    assert received <= WINDOW + TINY_COST
    assert caught.value.code == 1008


async def test_who_sends_all_at_once_does_not_hold_up_others() -> None:
    _, receiver = connected_ends()
    count, received = WINDOW // TINY_COST, 0

    async def receive() -> None:
        nonlocal received
        while received < count:
            await receiver.receive()
            received += 1

    for _ in range(count):
        receiver.deliver(TINY)
    async with create_task_group() as tasks:
        tasks.start_soon(receive)
        while (before := received) < count:
            await checkpoint()
            assert received - before <= MOST_IN_A_TURN


async def test_who_takes_nothing_is_dropped_whatever_it_says(raw_peer: Peer) -> None:
    async with ZmqServer(send_timeout=0.1, close_timeout=0.1) as server:
        async with server.rooms.join("room") as room:
            room.doc.get("text", type=Text).insert(0, "x" * len(LARGE))
            with raw_peer(server.endpoint) as peer, fail_after(5):
                for frame in (encode(Hello("room")), encode_step1(EMPTY_STATE), encode(Ping())):
                    peer.send(frame)
                while not isinstance(answer := decode(await peer.receive()), Bye):
                    if answer == Pong():
                        # A change waits behind the content.
                        room.doc.get("text", type=Text).insert(0, "y")
                        peer.send(b"\x7f of an unknown kind")
                        peer.send(encode(Ping()))
    assert answer.code == 1008
