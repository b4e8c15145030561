"""What a peer that breaks the rules can have the other side keep for it, and do for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    Event,
    create_task_group,
    fail_after,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint
from pycrdt import Doc, Text

from tests.slow_lines.ends import End, connected_ends
from ycore import Access, AccessRequest, ProtocolError
from ycore.protocol import encode_step1
from ycore.replica import EMPTY_STATE
from ywire_zmq import ZmqClient, ZmqServer
from ywire_zmq.frames import (
    MESSAGE_COST,
    PIECE_SIZE,
    WINDOW,
    Ack,
    Bye,
    Hello,
    Piece,
    Ping,
    Pong,
    decode,
    encode,
)
from ywire_zmq.router import Router

# The fixtures, whose classes are in conftest.py.
Serve = Callable[..., AbstractAsyncContextManager[Any]]
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


@pytest.mark.parametrize("something_waits", [False, True])
async def test_who_takes_nothing_is_dropped_whatever_it_says(
    raw_peer: Peer, something_waits: bool
) -> None:
    async with ZmqServer(heartbeat=0.5, send_timeout=0.1, close_timeout=0.1) as server:
        async with server.rooms.join("room") as room:
            room.doc.get("text", type=Text).insert(0, "x" * len(LARGE))
            with raw_peer(server.endpoint) as peer, fail_after(10):
                for frame in (encode(Hello("room")), encode_step1(EMPTY_STATE), encode(Ping())):
                    peer.send(frame)
                while not isinstance(answer := decode(await peer.receive()), Bye):
                    if answer == Pong():
                        if something_waits:
                            # Behind the content.
                            room.doc.get("text", type=Text).insert(0, "y")
                        peer.send(b"\x7f of an unknown kind")
                        peer.send(encode(Ping()))
    assert answer.code == 1008


async def test_who_is_not_let_in_yet_can_send_a_window_only(raw_peer: Peer, failed: Event) -> None:
    asked = Event()

    async def authorize(request: AccessRequest) -> Access:
        asked.set()
        # Who is let in before the window is exceeded may send more.
        await failed.wait()
        return Access.READ_WRITE

    async with ZmqServer(authorize=authorize, max_message_size=2 * len(LARGE)) as server:
        with raw_peer(server.endpoint) as peer, fail_after(10):
            peer.send(encode(Hello("room")))
            await asked.wait()
            for sent in range(0, len(LARGE), PIECE_SIZE):
                peer.send(encode(Piece(len(LARGE) - sent, bytes(PIECE_SIZE))))
            while not isinstance(answer := decode(await peer.receive()), Bye):
                pass
    assert answer == Bye(1008, "more pieces than the window allows")


async def test_a_large_document_waits_until_its_client_is_let_in() -> None:
    asked, decided = Event(), Event()

    async def authorize(request: AccessRequest) -> Access:
        asked.set()
        await decided.wait()
        return Access.READ_WRITE

    doc = Doc({"text": Text("x" * len(LARGE))})
    async with ZmqServer(authorize=authorize) as server, create_task_group() as tasks:

        async def share() -> None:
            async with ZmqClient(port=server.port, id="room", doc=doc) as client:
                await client.flush()

        tasks.start_soon(share)
        with fail_after(10):
            await asked.wait()
            decided.set()
            room = await server.rooms.get("room")
            while not len(room.doc.get("text", type=Text)):
                await wait_all_tasks_blocked()


async def test_a_flood_does_not_hide_that_somebody_is_gone(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, raw_peer: Peer
) -> None:
    drain = Router._drain

    def drain_in_a_flood(self: Router) -> bool:
        drain(self)
        return True

    monkeypatch.setattr(Router, "_drain", drain_in_a_flood)
    async with serve() as served:
        with raw_peer(served.server.endpoint, linger=1000) as peer:
            peer.send(encode(Hello("room")))
            channel = await served.accept()
            peer.send(b"its last words")
        with fail_after(10):
            assert await channel.receive() == b"its last words"
            with pytest.raises(BrokenResourceError):
                await channel.receive()
