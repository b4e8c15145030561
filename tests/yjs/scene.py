"""A room with clients of every kind, and what a script says of who is seen there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from anyio import create_task_group

from tests.yjs.client import BOUND, YjsClient
from tests.yjs.node import Node
from tests.yjs.participants import Participant, YjsParticipant, join
from tests.yjs.servers import Servers
from ycore.testing import until

__all__ = ["JOINED", "ROOM", "Scene", "play", "without"]

ROOM = "room"

JOINED: Mapping[str, dict[str, Any]] = {
    "yjs13": {"name": "Ännchen 👋🏽", "cursor": None},
    "yjs14": {"name": "", "selection": {"anchor": [1, {"item": None}], "head": 2.5}},
    "websocket": {"näme": "日本", "nested": {"null": None, "list": [[]]}},
    "zmq": {"busy": False},
}
"""Who takes part from the start, by kind, with which state."""

STEPS = 3
"""Somebody shows up, is asked, and shows up again."""


def without(name: str) -> dict[str, Any]:
    """Return the states of the others who take part from the start."""
    return {other: state for other, state in JOINED.items() if other != name}


class Scene:
    """Who takes part, and what they see."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._ids: dict[str, int] = {}
        self._watchers: dict[str, Participant] = {}
        self._written = 0

    def __getitem__(self, name: str) -> Participant:
        return self._watchers[name]

    def yjs(self, name: str) -> YjsClient:
        """Return the Yjs client that takes part under a name."""
        participant = self[name]
        assert isinstance(participant, YjsParticipant)
        return participant.client

    def introduce(self, name: str, id: int) -> None:  # noqa: A002
        """Give a name to somebody who may be seen."""
        self._ids[name] = id

    def watch(self, name: str, participant: Participant) -> None:
        """Have somebody see what the script says, from now on."""
        self.introduce(name, participant.id)
        self._watchers[name] = participant

    def by_id(self, states: Mapping[str, object]) -> dict[int, object]:
        """Return states by the ids of those that have them."""
        return {self._ids[name]: state for name, state in states.items()}

    async def shows(self, states: Mapping[str, object], *, but: str | None = None) -> None:
        """Wait until everybody and the room see exactly these states.

        Args:
            states: The states, by name.
            but: Who need not see them.
        """
        expected = self.by_id(states)
        async with create_task_group() as tasks:
            tasks.start_soon(self._until_room_shows, expected)
            for name, watcher in self._watchers.items():
                if name != but:
                    tasks.start_soon(watcher.until_states, expected)

    async def settle(self) -> None:
        """Wait until everybody has all that the others have said so far, and what follows from it.

        The server asks who shows up to say so once more, which the others hear as well. For each
        such step everybody writes something: when it is there, what was said before is there too.
        """
        for _ in range(STEPS):
            for watcher in self._watchers.values():
                self._written += 1
                await watcher.write("x")
            for watcher in self._watchers.values():
                await watcher.read(self._written)

    async def _until_room_shows(self, expected: dict[int, object]) -> None:
        awareness = (await self._servers.rooms.get(ROOM)).awareness
        await until(awareness, lambda: awareness.states == expected, timeout=BOUND)


@asynccontextmanager
async def play(servers: Servers, node: Node) -> AsyncIterator[Scene]:
    """Have a client of every kind join, and show the state that it has in `JOINED`."""
    scene = Scene(servers)
    async with AsyncExitStack() as stack:
        for kind in JOINED:
            participant = await stack.enter_async_context(join(kind, servers, node, ROOM))
            scene.watch(kind, participant)
        for kind, state in JOINED.items():
            await scene[kind].set_state(state)
        await scene.shows(JOINED)
        yield scene
