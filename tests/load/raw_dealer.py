"""A zmq peer that is read by nobody but the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import zmq
from anyio import EndOfStream, to_thread

from ycore import Channel
from ywire_zmq.frames import (
    Ack,
    Bye,
    Hello,
    Mark,
    Piece,
    Ping,
    Pong,
    decode,
    encode,
    encode_message,
)
from ywire_zmq.pieces import Arrival

__all__ = ["open_raw_dealer"]

SMALL = 4 * 1024
"""What the system may keep for who does not read, in bytes."""

PATIENCE_MS = 10_000


@asynccontextmanager
async def open_raw_dealer(room: str, port: int) -> AsyncIterator[Channel]:
    """Open a connection on a DEALER of which libzmq keeps as little as it can on this side."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as plain:
        for option, value in {
            zmq.RCVHWM: 1,
            zmq.RCVBUF: SMALL,
            zmq.RCVTIMEO: PATIENCE_MS,
            zmq.SNDTIMEO: PATIENCE_MS,
            zmq.LINGER: 0,
        }.items():
            plain.set(option, value)
        plain.connect(f"tcp://127.0.0.1:{port}")
        plain.send(encode(Hello(room)))
        yield _RawDealer(room, plain)


class _RawDealer(Channel):
    """Acknowledges what it is told to receive, and nothing sooner."""

    def __init__(self, id: str, plain: zmq.Socket[bytes]) -> None:  # noqa: A002
        super().__init__(id)
        self._plain = plain
        self._arriving = Arrival(self.limits.max_message_size)

    async def send(self, message: bytes) -> None:
        await to_thread.run_sync(self._plain.send, encode_message(message))

    async def receive(self) -> bytes:
        while True:
            match decode(await to_thread.run_sync(self._plain.recv)):
                case bytes(message):
                    return message
                case Mark(number):
                    self._plain.send(encode(Ack(number)))
                case Piece() as piece:
                    arriving = self._arriving
                    arriving.add(piece)
                    if arriving.is_over:
                        self._arriving = Arrival(self.limits.max_message_size)
                        return arriving.message
                case Ping():
                    self._plain.send(encode(Pong()))
                case Bye(code, reason):
                    self.close_code, self.close_reason = code, reason
                    raise EndOfStream

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        self._plain.send(encode(Bye(code, reason)))
