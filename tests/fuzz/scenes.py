"""What is played in the sandbox; each scene takes a stage."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio import fail_after
from pycrdt import Doc, Text

from tests.fuzz.attack import attacking
from tests.fuzz.crowd import Crowd, crowd, is_usable
from tests.fuzz.hostile import HOSTILE
from tests.fuzz.hostile_room import HostileRoom
from tests.fuzz.stage import PATIENCE, Stage
from ycore import ConnectError, bind, connect

__all__ = ["among_others", "hostile_client", "hostile_greeting", "hostile_server"]

ROOM = "room"

LONG = 60.0
"""How long a large message may take, in seconds."""


@asynccontextmanager
async def among_others(
    stage: Stage, *, room: str = ROOM, is_filled: bool = False
) -> AsyncIterator[Crowd]:
    """Check that those who are in the room do not notice what happens in the block."""
    before = await stage.report()
    async with crowd(stage, room, is_filled=is_filled) as company:
        yield company
        await company.check()
    report = await stage.report()
    assert report.pid == before.pid
    assert not report.complaints, "\n".join(report.complaints)


async def hostile_client(stage: Stage, name: str, is_filled: bool) -> None:
    """A client sends something hostile to a room with others in it."""
    case = HOSTILE[name]
    async with among_others(stage, is_filled=is_filled) as company:
        async with attacking(stage.connect(ROOM)) as attacker:
            code = await attacker.send(*case.frames(), patience=LONG)
            assert code == case.code, code
            await company.check()


async def hostile_server(stage: Stage, name: str) -> None:
    """A server sends something hostile to a client, which stays or comes back."""
    case = HOSTILE[name]
    async with _hostile_room(stage) as (room, options):
        async with connect(stage.wire, id=ROOM, **options) as client:
            code = await room.harass(*case.frames(), patience=LONG)
            assert code == case.code_of_client, code
            text = client.doc.get("diary", type=Text)
            text += "alive"
            with fail_after(PATIENCE):
                await client.flush()
            assert str(room.doc.get("diary", type=Text)) == "alive"
            assert is_usable(client.doc)


async def hostile_greeting(stage: Stage, name: str) -> None:
    """A server begins with something hostile; its client stays, or leaves in an orderly way."""
    doc: Doc[Any] = Doc()
    async with _hostile_room(stage) as (room, options):
        room.greeting = HOSTILE[name].frames()
        with suppress(ConnectError):
            async with connect(stage.wire, id=ROOM, doc=doc, reconnect=False, **options):
                pass
        assert is_usable(doc)


@asynccontextmanager
async def _hostile_room(stage: Stage) -> AsyncIterator[tuple[HostileRoom, dict[str, Any]]]:
    """Serve a hostile room; give it, and the options that lead a client to it."""
    where = {"name": "hostile"} if stage.wire == "memory" else {"port": 0}
    async with bind(stage.wire, HostileRoom, **where) as server:
        room = await server.rooms.get(ROOM)
        assert isinstance(room, HostileRoom)
        yield room, {name: getattr(server, name) for name in where}
