"""A room that does to its clients what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio import TASK_STATUS_IGNORED, BrokenResourceError, Event, fail_after
from anyio.abc import TaskStatus

from tests.fuzz.stage import PATIENCE
from ycore import Channel, Room, bind
from ycore.protocol import Kind, decode, encode_echo, encode_step1, encode_step2
from ycore.replica import EMPTY_STATE

__all__ = ["HostileRoom", "open_hostile_room"]


class HostileRoom(Room):
    """Serves one client at a time, honestly but for what it sends besides."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.greeting: list[bytes] = []
        """What the next client is sent before anything else."""
        self._victim: Channel | None = None
        self._reaction = Event()
        self._echo = b""
        self._sent = 0

    @property
    def has_client(self) -> bool:
        """Whether there is anybody to harass."""
        return self._victim is not None

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        self._victim = client
        task_status.started()
        greeting, self.greeting = self.greeting, []
        # Who breaks off without a word is not to be found fault with here.
        with suppress(BrokenResourceError):
            for frame in (*greeting, encode_step1(EMPTY_STATE)):
                await client.send(frame)
            async for frame in client:
                for kind, payload in decode(frame):
                    await self._answer(client, kind, payload)
        self._victim = None
        self._reaction.set()

    async def harass(self, *frames: bytes, patience: float = PATIENCE) -> int | None:
        """Send messages and wait until the client is done with them.

        Returns:
            None if the client has taken them, or the code with which it has closed.
        """
        assert self._victim is not None, "nobody is there"
        victim, self._reaction = self._victim, Event()
        self._sent += 1
        self._echo = self._sent.to_bytes(64, "big")
        with fail_after(patience):
            with suppress(BrokenResourceError):
                for frame in (*frames, encode_echo(self._echo)):
                    await victim.send(frame)
            await self._reaction.wait()
        return victim.close_code

    async def _answer(self, client: Channel, kind: Kind, payload: bytes) -> None:
        if kind is Kind.STEP1:
            await client.send(encode_step2(self.doc.get_update(payload)))
        elif kind in (Kind.STEP2, Kind.UPDATE):
            self.doc.apply_update(payload)
        elif kind is Kind.ECHO and payload == self._echo:
            self._reaction.set()


@asynccontextmanager
async def open_hostile_room(
    wire: str,
    id: str,  # noqa: A002
) -> AsyncIterator[tuple[HostileRoom, dict[str, Any]]]:
    """Serve a hostile room; give it, and the options that lead a client to it."""
    where = {"name": f"hostile {id}"} if wire == "memory" else {"port": 0}
    async with bind(wire, HostileRoom, **where) as server:
        room = await server.rooms.get(id)
        assert isinstance(room, HostileRoom)
        yield room, {"id": id, **{name: getattr(server, name) for name in where}}
