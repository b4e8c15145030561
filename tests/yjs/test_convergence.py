"""Clients of every kind edit at once, while they are apart too, and end up with the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from anyio import create_task_group
from pycrdt import Text

from tests.yjs.node import Node
from tests.yjs.participants import Participant, YjsParticipant, join
from tests.yjs.servers import WEBSOCKET_SERVERS, Servers
from ycore.testing import until

pytestmark = [
    pytest.mark.needs("node", "tests/yjs"),
    pytest.mark.parametrize("servers", WEBSOCKET_SERVERS, indirect=True),
]

ROOM = "room"

LETTERS = {"yjs13": "a", "yjs14": "b", "websocket": "c", "zmq": "d"}
"""What everybody writes, by kind."""

EDITS = 50
"""So many edits everybody makes in a round."""


class Authors:
    """A client of every kind, all of which write."""

    def __init__(self, servers: Servers, participants: dict[str, Participant]) -> None:
        self._servers = servers
        self._participants = participants

    async def write(self) -> None:
        """Write at once, everybody at the start of the text."""
        async with create_task_group() as tasks:
            for kind, author in self._participants.items():
                tasks.start_soon(author.write, LETTERS[kind] * EDITS)

    async def converge(self, rounds: int) -> None:
        """Wait until everybody, and the room, has what was written in so many rounds."""
        length = rounds * EDITS * len(self._participants)
        text, *others = [await author.read(length) for author in self._participants.values()]
        assert others == [text] * len(others)
        assert [text.count(letter) for letter in LETTERS.values()] == [rounds * EDITS] * 4
        room = await self._servers.rooms.get(ROOM)
        text_of_room = room.doc.get("text", type=Text)
        await until(room.doc, lambda: str(text_of_room) == text)

    async def disconnect_yjs(self) -> None:
        """Have the Yjs clients leave the server until they are told to come back."""
        for participant in self._participants.values():
            if isinstance(participant, YjsParticipant):
                await participant.client.disconnect()

    async def connect_yjs(self) -> None:
        """Have the Yjs clients come back."""
        for participant in self._participants.values():
            if isinstance(participant, YjsParticipant):
                await participant.client.connect()


@pytest.fixture
async def authors(node: Node, servers: Servers) -> AsyncIterator[Authors]:
    async with AsyncExitStack() as stack:
        participants = {
            kind: await stack.enter_async_context(join(kind, servers, node, ROOM))
            for kind in LETTERS
        }
        yield Authors(servers, participants)


async def test_everybody_writes_at_once(authors: Authors) -> None:
    await authors.write()
    await authors.converge(rounds=1)


@pytest.mark.parametrize("rooms_are_lost", [False, True], ids=["kept", "lost"])
async def test_everybody_writes_while_the_server_is_away(
    authors: Authors, servers: Servers, rooms_are_lost: bool
) -> None:
    await authors.write()
    await authors.converge(rounds=1)
    await servers.stop()
    await authors.write()
    if rooms_are_lost:
        servers.lose_rooms()
    await servers.start()
    await authors.write()
    await authors.converge(rounds=3)


async def test_everybody_writes_while_disconnected(authors: Authors, servers: Servers) -> None:
    await authors.write()
    await authors.converge(rounds=1)
    await authors.disconnect_yjs()
    await servers.stop()
    await authors.write()
    await servers.start()
    await authors.connect_yjs()
    await authors.converge(rounds=2)
