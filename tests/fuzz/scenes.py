"""What is played in the sandbox; each scene takes a stage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Concatenate, ParamSpec

from anyio import fail_after, move_on_after, sleep
from pycrdt import Doc, Text

from tests.fuzz.attack import attacking
from tests.fuzz.corpus import content
from tests.fuzz.crowd import Crowd, crowd, is_usable
from tests.fuzz.hostile import HOSTILE
from tests.fuzz.hostile_room import open_hostile_room
from tests.fuzz.stage import PATIENCE, Stage
from tests.fuzz.vitals import spare_what_is_there
from ycore import ConnectError, connect
from ycore.protocol import encode_step2

__all__ = [
    "among_others",
    "hostile_client",
    "hostile_greeting",
    "hostile_server",
    "rehearsal",
    "without_loss_of_memory",
]

Arguments = ParamSpec("Arguments")

ROOM = "room"

LONG = 60.0
"""How long a large message may take, in seconds."""

KEPT = {"memory": 500, "websocket": 500, "zmq": 8 * 1024}
"""So much memory a scene may leave behind on each wire, in KiB: there are things that are made only
once, and on zmq some that are free only after a while."""

INTERVAL = 0.02
"""How often it is looked whether memory is free again, in seconds: no event tells."""


async def rehearsal(stage: Stage) -> None:
    """Have everything imported and made that is made only once."""
    async with among_others(stage, is_filled=True), attacking(stage.connect(ROOM)) as attacker:
        assert await attacker.send(encode_step2(content())) is None
        assert await attacker.send(*HOSTILE["a clock beyond 2^32"].frames()) == 1007
    await hostile_server(stage, "a clock beyond 2^32")
    spare_what_is_there()


async def without_loss_of_memory(
    stage: Stage,
    scene: Callable[Concatenate[Stage, Arguments], Awaitable[object]],
    /,
    *arguments: Arguments.args,
    **options: Arguments.kwargs,
) -> None:
    """Play a scene, and check that nobody keeps what was allocated meanwhile."""
    before = await stage.memory()
    await scene(stage, *arguments, **options)
    with move_on_after(PATIENCE):
        while await stage.memory() > before + KEPT[stage.wire]:  # noqa: ASYNC110
            await sleep(INTERVAL)
    kept = await stage.memory() - before
    assert kept <= KEPT[stage.wire], f"{kept} KiB are not free again"


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
    async with open_hostile_room(stage.wire, ROOM) as (room, options):
        async with connect(stage.wire, **options) as client:
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
    async with open_hostile_room(stage.wire, ROOM) as (room, options):
        room.greeting = HOSTILE[name].frames()
        with suppress(ConnectError):
            async with connect(stage.wire, doc=doc, reconnect=False, **options):
                pass
        assert is_usable(doc)
