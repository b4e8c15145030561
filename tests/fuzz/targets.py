"""What frames can be sent to, and how; each as an async context manager that gives a function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from random import Random
from typing import Any, NamedTuple

import zmq
from anyio import Event, create_task_group
from anyio.abc import TaskStatus
from pycrdt import Doc

from tests.fuzz import raw_websocket, raw_zmq
from tests.fuzz.attack import attacking
from tests.fuzz.corpus import content
from tests.fuzz.crowd import crowd, is_usable
from tests.fuzz.examination import examine
from tests.fuzz.hostile_room import open_hostile_room
from tests.fuzz.mutation import random_frame
from tests.fuzz.stage import Carrier, Stage
from ycore import ConnectError, connect
from ywire_zmq.frames import Hello, encode

__all__ = ["TARGETS", "Target"]

Send = Callable[[Sequence[bytes]], Awaitable[int | None]]
"""Sends a frame, of one part or of several; returns the close code that answers it, if one does."""

Assault = Callable[[Stage, str, bool], AbstractAsyncContextManager[Send]]
"""Takes a stage, a name for the room, and whether there is something in it."""


class Target(NamedTuple):
    """What frames can be sent to."""

    carrier: Carrier
    draw: Callable[[Random], Sequence[bytes]]
    assault: Assault


@asynccontextmanager
async def _protocol(stage: Stage, room: str, is_filled: bool) -> AsyncIterator[Send]:
    """Send frames to nobody: the protocol module takes them to pieces."""
    doc: Doc[Any] = Doc()
    if is_filled:
        doc.apply_update(content())

    async def send(parts: Sequence[bytes]) -> int | None:
        return None if examine(doc, parts[0]) else 1002

    yield send


@asynccontextmanager
async def _messages(stage: Stage, room: str, is_filled: bool) -> AsyncIterator[Send]:
    """Send messages to a room."""
    async with crowd(stage, room, is_filled=is_filled) as company:
        async with attacking(stage.connect(room)) as attacker:

            async def send(parts: Sequence[bytes]) -> int | None:
                return await attacker.send(parts[0])

            yield send
        await company.check()


@asynccontextmanager
async def _websocket_bytes(stage: Stage, room: str, is_filled: bool) -> AsyncIterator[Send]:
    """Send what may be frames of a websocket, each over a connection of its own."""
    async with crowd(stage, room, is_filled=is_filled) as company:

        async def send(parts: Sequence[bytes]) -> int | None:
            return await raw_websocket.send_bytes(stage.options["port"], room, parts[0])

        yield send
        await company.check()


@asynccontextmanager
async def _zmq_parts(stage: Stage, room: str, is_filled: bool) -> AsyncIterator[Send]:
    """Send what may be control frames, each over a connection of its own."""
    async with crowd(stage, room, is_filled=is_filled) as company:
        with zmq.Context() as context:

            async def send(parts: Sequence[bytes]) -> int | None:
                with raw_zmq.raw_peer(context, stage.options["port"]) as peer:
                    return await peer.send([encode(Hello(room))], parts)

            yield send
        await company.check()


@asynccontextmanager
async def _client(stage: Stage, room: str, is_filled: bool) -> AsyncIterator[Send]:
    """Send messages to a client, as its server; it comes back as often as it has gone."""
    doc: Doc[Any] = Doc()
    if is_filled:
        doc.apply_update(content())

    async def visit(left: Event, *, task_status: TaskStatus[None]) -> None:
        with suppress(ConnectError):
            async with connect(stage.wire, doc=doc, reconnect=False, **options):
                task_status.started()
                await left.wait()

    async with open_hostile_room(stage.wire, room) as (host, options), create_task_group() as tasks:
        left = Event()

        async def send(parts: Sequence[bytes]) -> int | None:
            if not host.has_client:
                await tasks.start(visit, left)
            return await host.harass(parts[0])

        yield send
        left.set()
    assert is_usable(doc)
    async with (
        crowd(stage, room) as company,
        stage.connect(room, doc=doc, reconnect=False) as client,
    ):
        await client.flush()
        await company.check()


def _one_frame(rand: Random) -> Sequence[bytes]:
    return [random_frame(rand)]


def _bytes_of_websocket(rand: Random) -> Sequence[bytes]:
    return [raw_websocket.random_bytes(rand, random_frame(rand))]


def _parts_of_zmq(rand: Random) -> Sequence[bytes]:
    return raw_zmq.random_parts(rand, random_frame(rand))


TARGETS = {
    "protocol": Target(Carrier("memory", "asyncio"), _one_frame, _protocol),
    "client": Target(Carrier("memory", "asyncio"), _one_frame, _client),
    "client-websocket": Target(Carrier("websocket", "asyncio"), _one_frame, _client),
    "client-zmq-asyncio": Target(Carrier("zmq", "asyncio"), _one_frame, _client),
    "client-zmq-trio": Target(Carrier("zmq", "trio"), _one_frame, _client),
    "memory-asyncio": Target(Carrier("memory", "asyncio"), _one_frame, _messages),
    "memory-trio": Target(Carrier("memory", "trio"), _one_frame, _messages),
    "websocket": Target(Carrier("websocket", "asyncio"), _one_frame, _messages),
    "websocket-bytes": Target(
        Carrier("websocket", "asyncio"), _bytes_of_websocket, _websocket_bytes
    ),
    "zmq-asyncio": Target(Carrier("zmq", "asyncio"), _one_frame, _messages),
    "zmq-trio": Target(Carrier("zmq", "trio"), _one_frame, _messages),
    "zmq-parts-asyncio": Target(Carrier("zmq", "asyncio"), _parts_of_zmq, _zmq_parts),
    "zmq-parts-trio": Target(Carrier("zmq", "trio"), _parts_of_zmq, _zmq_parts),
}
