"""Floods and lies of control frames, over zmq sockets that keep to no protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import zmq

from tests.fuzz.raw_zmq import RawPeer, raw_peer
from tests.fuzz.scenes import ROOM, among_others
from tests.fuzz.stage import Stage
from ycore.protocol import encode_step1
from ycore.replica import EMPTY_STATE
from ywire_zmq.frames import Ack, Bye, Hello, Mark, Ping, Welcome, encode

__all__ = ["LIES", "endless_hellos", "flood", "lie", "silent_crowd"]

HELLO = [encode(Hello(ROOM))]
STEP1 = [encode_step1(EMPTY_STATE)]

MALFORMED, UNSUPPORTED_VERSION, TAKEN = 1002, 4400, None

LIES: dict[str, tuple[list[list[bytes]], int | None]] = {
    "a message before HELLO": ([STEP1], MALFORMED),
    "PING before HELLO": ([[encode(Ping())]], MALFORMED),
    "BYE before HELLO": ([[encode(Bye(1000))]], TAKEN),
    "HELLO twice": ([HELLO, HELLO], MALFORMED),
    "WELCOME from a client": ([HELLO, [encode(Welcome(1000, 1000))]], MALFORMED),
    "HELLO of another version": ([[b"\xf0\x63\x00\x00\x00\x00"]], UNSUPPORTED_VERSION),
    "HELLO that ends too early": ([[encode(Hello(ROOM, "token"))[:-1]]], MALFORMED),
    "HELLO with more behind it": ([[encode(Hello(ROOM)) + b"x"]], MALFORMED),
    "HELLO that is no UTF-8": ([[b"\xf0\x03\x00\x01\xff\x00\x00"]], MALFORMED),
    "HELLO of a long room": ([[encode(Hello("r" * 65535))]], TAKEN),
    "ACK of what was not sent": ([HELLO, [encode(Ack(2**63))]], MALFORMED),
    "ACK that is too short": ([HELLO, [b"\xf6\x00"]], MALFORMED),
    "MARK that is too short": ([HELLO, [b"\xf8\x00"]], MALFORMED),
    "MARK before HELLO": ([[encode(Mark(1))]], MALFORMED),
    "PING with more behind it": ([HELLO, [b"\xf3\x00"]], MALFORMED),
    "a control frame that nobody knows": ([HELLO, [b"\xff" * 100]], TAKEN),
    "an escaped control frame": ([HELLO, [b"\xf5" + encode(Hello(ROOM))]], TAKEN),
    "two parts": ([HELLO, [b"a", b"b"]], MALFORMED),
    "two parts before HELLO": ([[*HELLO, *STEP1]], MALFORMED),
    "1,000 parts": ([HELLO, [b"x"] * 1000], MALFORMED),
    "BYE and more": ([HELLO, [encode(Bye(1000))], *[STEP1] * 1000], TAKEN),
    "a message of no bytes": ([HELLO, [b""]], TAKEN),
}


async def lie(stage: Stage, name: str) -> None:
    """Somebody sends what does not belong there."""
    messages, expected = LIES[name]
    async with among_others(stage):
        with _context() as context, raw_peer(context, stage.options["port"]) as peer:
            code = await peer.send(*messages)
            assert code == expected, code


async def flood(stage: Stage, frame: bytes, count: int) -> None:
    """Somebody sends the same again and again."""
    async with among_others(stage) as company:
        with _context() as context:
            for _ in range(5):
                with raw_peer(context, stage.options["port"]) as peer:
                    await peer.send(HELLO, *[[frame]] * (count // 5))
                await company.check()


async def endless_hellos(stage: Stage, count: int) -> None:
    """Sockets by the hundred say HELLO and go away without a word."""
    async with among_others(stage):
        with _context() as context:
            for _ in range(count):
                with raw_peer(context, stage.options["port"]) as peer:
                    assert await peer.send(HELLO) is None


async def silent_crowd(stage: Stage, count: int) -> None:
    """Sockets by the hundred say HELLO, stay, and read nothing of what others write."""
    async with among_others(stage):
        with _context() as context, ExitStack() as stack:
            for _ in range(count):
                peer: RawPeer = stack.enter_context(raw_peer(context, stage.options["port"]))
                assert await peer.send(HELLO) is None


@contextmanager
def _context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    with zmq.Context() as context:
        context.set(zmq.MAX_SOCKETS, 10_000)
        yield context
