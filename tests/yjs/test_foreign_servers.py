"""The Python client at Yjs servers of other projects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from anyio import fail_after, move_on_after
from pycrdt import Text

from tests.network.proxy import Proxy, open_proxy
from tests.yjs.client import BOUND
from tests.yjs.foreign_servers import COMMANDS, ForeignServer, run_foreign_server
from tests.yjs.node import Node
from tests.yjs.participants import Participant, PythonParticipant, YjsParticipant
from ycore import ClientWire, connect

pytestmark = pytest.mark.needs("node", "tests/yjs")

ROOM = "a room"


@pytest.fixture(params=COMMANDS)
async def server(
    request: pytest.FixtureRequest, free_tcp_port: int
) -> AsyncIterator[ForeignServer]:
    async with run_foreign_server(request.param, free_tcp_port) as server:
        yield server


def client_of(server: ForeignServer | Proxy) -> ClientWire:
    return connect("websocket", id=ROOM, port=server.port)


@pytest.fixture
async def everybody(server: ForeignServer, node: Node) -> AsyncIterator[list[Participant]]:
    """Two Python clients, and a Yjs client of each generation."""
    async with client_of(server) as ann, client_of(server) as bob:
        clients = [await node.open(generation, server.url, ROOM) for generation in ("13", "14")]
        for client in clients:
            await client.until_synced()
        yield [
            PythonParticipant(ann),
            PythonParticipant(bob),
            YjsParticipant(clients[0], "13"),
            YjsParticipant(clients[1], "14"),
        ]


async def read_same(everybody: list[Participant], length: int) -> str:
    text, *others = [await participant.read(length) for participant in everybody]
    assert others == [text] * len(others)
    return text


async def show_everybody(everybody: list[Participant]) -> dict[int, Any]:
    """Set a state for everybody and wait until all see all."""
    states: dict[int, Any] = {
        participant.id: {"näme": number, "cursor": None}
        for number, participant in enumerate(everybody)
    }
    for participant in everybody:
        await participant.set_state(states[participant.id])
    for participant in everybody:
        await participant.until_states(states)
    return states


async def test_everybody_writes(everybody: list[Participant]) -> None:
    for participant, letters in zip(everybody, ("aa", "bb", "cc", "dd"), strict=True):
        await participant.write(letters)
    assert sorted(await read_same(everybody, 8)) == [*"aabbccdd"]


async def test_what_was_flushed_is_there(server: ForeignServer) -> None:
    """And as long as nothing gets to the server, a flush goes on, which only time tells."""
    async with open_proxy(server.port) as line, client_of(line) as ann:
        line.stall(to_client=False)
        text = ann.doc.get("text", type=Text)
        text += "x" * 100_000
        with move_on_after(0.2) as waiting:
            await ann.flush()
        assert waiting.cancelled_caught
        line.resume()
        with fail_after(BOUND):
            await ann.flush()
        async with client_of(server) as late:
            assert len(late.doc.get("text", type=Text)) == 100_000


async def test_everybody_writes_while_the_server_is_away(
    everybody: list[Participant], server: ForeignServer
) -> None:
    await everybody[0].write("a")
    await read_same(everybody, 1)
    await server.kill()
    for participant in everybody:
        await participant.write("b")
    await server.start()
    assert sorted(await read_same(everybody, 5)) == [*"abbbb"]


async def test_everybody_sees_everybody(everybody: list[Participant]) -> None:
    states = await show_everybody(everybody)
    for participant in everybody:
        states[participant.id] = {"cursor": "👋"}
        await participant.set_state({"cursor": "👋"})
    for participant in everybody:
        await participant.until_states(states)


async def test_who_leaves_disappears(everybody: list[Participant], server: ForeignServer) -> None:
    async with client_of(server) as late:
        states = await show_everybody([*everybody, PythonParticipant(late)])
    del states[late.doc.client_id]
    for participant in everybody:
        await participant.until_states(states)
