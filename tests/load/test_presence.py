"""Fifty clients move their cursors, and one of them does not look."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest
from anyio import create_task_group, fail_after
from pycrdt import Awareness, Doc

from tests.load.bounds import check_waiting
from tests.load.peers import Peer, join, open_deaf
from tests.load.scene import SEND_BUFFER, keep_send_buffers_small, serve
from ycore.protocol import (
    AwarenessEntry,
    Kind,
    decode,
    encode_awareness,
    encode_entries,
)

CLIENTS, MOVES = 50, 100
NAME = "x" * 600


def state_of(move: int) -> dict[str, object]:
    return {"name": NAME, "cursor": move}


def moved(client: int, move: int) -> bytes:
    """Return the message in which a client tells its state."""
    return encode_awareness(
        encode_entries([AwarenessEntry(client, move + 1, json.dumps(state_of(move)))])
    )


async def test_a_sleeper_gets_the_newest_states(wire: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_send_buffers_small(monkeypatch)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        scene = await enter(serve(wire))
        movers = [await enter(join(wire, scene.address)) for _ in range(CLIENTS - 1)]
        sleeper = await enter(open_deaf(wire, scene.address))
        await sleeper.ask()
        await sleeper.receive_kind(Kind.STEP2)

        with fail_after(30):
            async with create_task_group() as tasks:
                for mover in movers[1:]:
                    tasks.start_soon(mover.read_on)
                for move in range(MOVES):
                    for client, mover in enumerate(movers, 1):
                        await mover.send_at_once(moved(client, move))
                    await movers[0].round_trip()
                tasks.cancel_scope.cancel()
            await until_newest(sleeper)
    check_waiting(sleeper, wire, send_buffer=4 * SEND_BUFFER)


async def until_newest(sleeper: Peer) -> None:
    """Receive until the newest states are there."""
    newest = {client: state_of(MOVES - 1) for client in range(1, CLIENTS)}
    awareness = Awareness(Doc())
    awareness.set_local_state(None)
    while awareness.states != newest:
        for kind, payload in decode(await sleeper.receive()):
            if kind is Kind.AWARENESS:
                awareness.apply_awareness_update(payload, sleeper)
