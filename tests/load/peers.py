"""Clients in the hand of a test, which receive when they are told to and not sooner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

from anyio import BrokenResourceError, EndOfStream, sleep

from tests.load.raw_dealer import open_raw_dealer
from tests.load.raw_websocket import open_raw_websocket
from ycore import Channel, connect
from ycore.protocol import Kind, decode, encode_echo, encode_step1, encode_update
from ycore.replica import EMPTY_STATE

__all__ = ["ROOM", "Peer", "join", "open_deaf"]

ROOM = "room"

NOTHING = b"\x7f" + bytes(5_000)
"""A message of a type that nobody knows."""

PAUSE = 0.05


class Peer:
    """A client that keeps what it receives and applies none of it."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.frames: list[bytes] = []
        """What it has received."""

    async def ask(self) -> None:
        """Ask for the content of the room."""
        await self.channel.send(encode_step1(EMPTY_STATE))

    async def write(self, updates: Sequence[bytes], *, together: int) -> None:
        """Send updates, so many at a time, and wait each time until the server has applied them."""
        for start in range(0, len(updates), together):
            for update in updates[start : start + together]:
                await self.send_at_once(encode_update(update))
            await self.round_trip()

    async def send_at_once(self, message: bytes) -> None:
        """Send a message; the others have their turn only if it has to wait."""
        if not self.channel.send_nowait(message):
            await self.channel.send(message)

    async def round_trip(self) -> None:
        """Wait until the server has applied all that was sent before."""
        await self.channel.send(encode_echo(b""))
        await self.receive_kind(Kind.ECHO)

    async def receive_kind(self, kind: Kind) -> None:
        """Receive until a frame is of a kind."""
        while next(iter(decode(await self.receive()))).kind is not kind:
            pass

    async def receive_until(self, token: bytes) -> None:
        """Receive until a frame holds a token."""
        while token not in await self.receive():
            pass

    async def receive_all(self) -> None:
        """Receive until the connection ends, in whatever way."""
        with suppress(EndOfStream, BrokenResourceError):
            while True:
                await self.receive()

    async def talk(self) -> None:
        """Say something that means nothing, again and again, until the connection ends."""
        with suppress(EndOfStream, BrokenResourceError):
            while True:
                await self.channel.send(NOTHING)
                await sleep(PAUSE)

    async def read_on(self) -> None:
        """Receive until cancelled, and keep nothing of it."""
        async for _ in self.channel:
            pass

    async def receive(self) -> bytes:
        """Receive a frame."""
        frame = await self.channel.receive()
        self.frames.append(frame)
        return frame


@asynccontextmanager
async def join(wire: str, address: Mapping[str, Any]) -> AsyncIterator[Peer]:
    """Connect a client, which is in sync then."""
    async with connect(wire, id=ROOM, **address).open() as channel:
        peer = Peer(channel)
        await peer.ask()
        await peer.receive_kind(Kind.STEP2)
        yield peer


@asynccontextmanager
async def open_deaf(wire: str, address: Mapping[str, Any]) -> AsyncIterator[Peer]:
    """Open a connection of which nothing on this side takes what the client does not receive."""
    async with _open_raw(wire, address) as channel:
        yield Peer(channel)


def _open_raw(wire: str, address: Mapping[str, Any]) -> AbstractAsyncContextManager[Channel]:
    match wire:
        case "websocket":
            return open_raw_websocket(ROOM, address["port"])
        case "zmq":
            return open_raw_dealer(ROOM, address["port"])
        case _:
            return connect(wire, id=ROOM, **address).open()
