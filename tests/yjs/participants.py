"""Who takes part in a room: clients of every kind, which can all do the same."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio.lowlevel import checkpoint
from pycrdt import Text

from tests.yjs.client import BOUND, YjsClient
from tests.yjs.node import Node
from tests.yjs.servers import Servers
from ycore import ClientWire
from ycore.testing import until

__all__ = ["TEXTS", "Participant", "PythonParticipant", "YjsParticipant", "join"]

TEXTS = {"13": "doc.getText('text')", "14": "doc.get('text')"}
"""The text that everybody writes in, in JavaScript, by generation."""

States = dict[int, Any]


@asynccontextmanager
async def join(kind: str, servers: Servers, node: Node, room: str) -> AsyncIterator[Participant]:
    """Take part for the duration of the block.

    Args:
        kind: "yjs13" or "yjs14", or the wire of a Python client.
        servers: Where.
        node: The process for a Yjs client.
        room: The room.
    """
    if kind.startswith("yjs"):
        generation = kind.removeprefix("yjs")
        client = await node.open(generation, servers.url, room)
        await client.until_synced()
        yield YjsParticipant(client, generation)
        await client.evaluate("provider.destroy()")
    else:
        async with servers.connect(kind, id=room) as python:
            yield PythonParticipant(python)


class Participant(ABC):
    """Somebody in a room, who writes in its text "text" and has an awareness state."""

    id: int
    """The client's id in documents and in awareness states."""

    @abstractmethod
    async def write(self, letters: str) -> None:
        """Write letters at the start of the text, in an edit for each."""

    @abstractmethod
    async def read(self, length: int) -> str:
        """Return the text, once it has a length."""

    @abstractmethod
    async def set_state(self, state: dict[str, Any] | None) -> None:
        """Set this participant's awareness state."""

    @abstractmethod
    async def set_field(self, field: str, value: object) -> None:
        """Set a field of this participant's awareness state."""

    @abstractmethod
    async def states(self) -> States:
        """Return the states that this participant sees now."""

    @abstractmethod
    async def until_states(self, states: States) -> None:
        """Wait until this participant sees certain states and no others."""


class YjsParticipant(Participant):
    """A Yjs client that takes part."""

    def __init__(self, client: YjsClient, generation: str) -> None:
        self.client = client
        self.id = client.id
        self._text = TEXTS[generation]

    async def write(self, letters: str) -> None:
        for letter in letters:
            await self.client.evaluate(f"{self._text}.insert(0, letter)", letter=letter)

    async def read(self, length: int) -> str:
        await self.client.until(f"{self._text}.length", length)
        text: str = await self.client.evaluate(f"{self._text}.toString()")
        return text

    async def set_state(self, state: dict[str, Any] | None) -> None:
        await self.client.evaluate("awareness.setLocalState(state)", state=state)

    async def set_field(self, field: str, value: object) -> None:
        await self.client.evaluate(
            "awareness.setLocalStateField(field, value)", field=field, value=value
        )

    async def states(self) -> States:
        states = await self.client.evaluate("awareness.getStates()")
        return {int(client): state for client, state in states.items()}

    async def until_states(self, states: States) -> None:
        await self.client.until("awareness.getStates()", states)


class PythonParticipant(Participant):
    """A Python client that takes part."""

    def __init__(self, client: ClientWire) -> None:
        self.client = client
        self.id = client.doc.client_id

    async def write(self, letters: str) -> None:
        for letter in letters:
            self.client.doc.get("text", type=Text).insert(0, letter)
            await checkpoint()

    async def read(self, length: int) -> str:
        text = self.client.doc.get("text", type=Text)
        await until(self.client.doc, lambda: len(text) == length, timeout=BOUND)
        return str(text)

    async def set_state(self, state: dict[str, Any] | None) -> None:
        self.client.awareness.set_local_state(state)

    async def set_field(self, field: str, value: object) -> None:
        self.client.awareness.set_local_state_field(field, value)

    async def states(self) -> States:
        return self.client.awareness.states

    async def until_states(self, states: States) -> None:
        awareness = self.client.awareness
        await until(awareness, lambda: awareness.states == states, timeout=BOUND)
