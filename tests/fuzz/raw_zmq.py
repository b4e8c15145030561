"""A ZeroMQ peer by hand, which keeps to no protocol but that of ZeroMQ itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random

import zmq
from anyio import fail_after, wait_readable

from tests.fuzz.mutation import mutate
from tests.fuzz.stage import PATIENCE
from ywire_zmq.frames import Ack, Bye, Hello, Mark, Ping, Pong, Welcome, decode, encode

__all__ = ["RawPeer", "random_parts", "raw_peer"]

NOBLOCK = int(zmq.NOBLOCK)
PING = encode(Ping())


class RawPeer:
    """A DEALER."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket

    async def send(self, *messages: Sequence[bytes]) -> int | None:
        """Send messages, each of some parts, and wait until the server is done with them.

        Returns:
            None if it has taken them, or the code with which it has closed.
        """
        with fail_after(PATIENCE):
            for parts in (*messages, [PING]):
                await self._send(parts)
            if any(_says_bye(parts) for parts in messages):
                # Nobody answers after that.
                return None
            while True:
                match decode(await self._receive()):
                    case Pong():
                        return None
                    case Bye(code):
                        return code

    async def _send(self, parts: Sequence[bytes]) -> None:
        while True:
            try:
                self._socket.send_multipart(parts, NOBLOCK)
            except zmq.Again:
                await self._ready(zmq.POLLOUT)
            else:
                return

    async def _receive(self) -> bytes:
        while True:
            try:
                return self._socket.recv(NOBLOCK)
            except zmq.Again:
                await self._ready(zmq.POLLIN)

    async def _ready(self, event: int) -> None:
        # Sending may take the edge away by which reading would be told.
        while not int(self._socket.get(zmq.EVENTS)) & event:
            await wait_readable(int(self._socket.get(zmq.FD)))


@contextmanager
def raw_peer(context: zmq.Context[zmq.Socket[bytes]], port: int) -> Iterator[RawPeer]:
    """Connect a peer; it says nothing by itself."""
    with context.socket(zmq.DEALER) as socket:
        socket.set(zmq.LINGER, 0)
        socket.connect(f"tcp://127.0.0.1:{port}")
        yield RawPeer(socket)


def random_parts(rand: Random, message: bytes) -> list[bytes]:
    """Return the parts of a message that the server may, or must not, be sent."""
    frames = [
        encode(Hello("room", "token")),
        encode(Welcome(1000, 1000)),
        encode(Ping()),
        encode(Pong()),
        encode(Bye(1000, "enough")),
        encode(Ack(rand.choice([0, 1, 100, 2**64 - 1]))),
        encode(Mark(rand.choice([0, 1, 100, 2**64 - 1]))),
        bytes([rand.randrange(0xF5, 0x100)]) + message,
        message,
    ]
    frame, other = rand.choice(frames), rand.choice(frames)
    if rand.random() < 0.7:
        frame = mutate(rand, frame, other)
    return [frame, other] if rand.random() < 0.1 else [frame]


def _says_bye(parts: Sequence[bytes]) -> bool:
    try:
        return len(parts) == 1 and isinstance(decode(parts[0]), Bye)
    except ValueError:
        return False
