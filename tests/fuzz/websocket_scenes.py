"""Bytes on a websocket that are no messages, each with the code they have to be answered with."""

from __future__ import annotations

from contextlib import suppress

from anyio import fail_after, sleep_forever

from tests.fuzz.raw_websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    frame,
    send_bytes,
    serve_bytes,
)
from tests.fuzz.scenes import ROOM, among_others
from tests.fuzz.stage import PATIENCE, Stage
from ycore import MessageTooLargeError, connect
from ycore.protocol import encode_echo

__all__ = ["HOSTILE_BYTES", "TOO_LONG", "hostile_bytes", "too_long"]

ECHO = encode_echo(b"x")

PROTOCOL_ERROR, UNSUPPORTED, TOO_BIG, ENDS = 1002, 1003, 1009, None

HOSTILE_BYTES: dict[str, tuple[bytes, int | None]] = {
    "a text": (frame(b"hello", FIN | TEXT), UNSUPPORTED),
    "a text of no bytes": (frame(b"", FIN | TEXT), UNSUPPORTED),
    "a text that is no UTF-8": (frame(b"\xff\xfe", FIN | TEXT), 1007),
    "a message of no bytes": (frame(b""), PROTOCOL_ERROR),
    # aiohttp takes it, though a server has to refuse it (RFC 6455, section 5.1).
    "a frame without a mask": (frame(ECHO, masked=False), ENDS),
    "an opcode that is reserved": (frame(ECHO, FIN | 0x3), PROTOCOL_ERROR),
    "a control opcode that is reserved": (frame(b"", FIN | 0xB), PROTOCOL_ERROR),
    "a bit that is reserved": (frame(ECHO, FIN | 0x40 | BINARY), PROTOCOL_ERROR),
    "a continuation of nothing": (frame(ECHO, FIN | CONTINUATION), PROTOCOL_ERROR),
    "a message inside a message": (frame(ECHO, BINARY) + frame(ECHO), PROTOCOL_ERROR),
    "a ping in pieces": (frame(b"", PING), PROTOCOL_ERROR),
    "a ping that is too long": (frame(bytes(126), FIN | PING), PROTOCOL_ERROR),
    "a close frame of one byte": (frame(b"\x03", FIN | CLOSE), PROTOCOL_ERROR),
    "a close frame with a code that nobody may send": (
        frame(b"\x03\xed", FIN | CLOSE),
        PROTOCOL_ERROR,
    ),
    "2^63 bytes": (frame(ECHO, length=2**63), TOO_BIG),
    "2^60 bytes": (frame(ECHO, length=2**60), TOO_BIG),
    "2^32 bytes": (frame(ECHO, length=2**32), TOO_BIG),
    "2^27 bytes": (frame(ECHO, length=2**27), TOO_BIG),
    "half a frame": (frame(ECHO)[:-2], ENDS),
    "half a header": (frame(bytes(300))[:3], ENDS),
    "half a message": (frame(ECHO, BINARY), ENDS),
    "10,000 pieces of nothing": (
        frame(b"", BINARY) + frame(b"", CONTINUATION) * 10_000,
        ENDS,
    ),
    "10,000 pings": (frame(ECHO) + frame(b"", FIN | PING) * 10_000, ENDS),
    "10,000 pongs that nobody asked for": (frame(ECHO) + frame(b"", FIN | PONG) * 10_000, ENDS),
    "no websocket at all": (b"GET / HTTP/1.1\r\n\r\n" * 10, PROTOCOL_ERROR),
}


TOO_LONG = {"2^63": 2**63, "2^60": 2**60, "2^32": 2**32, "2^27": 2**27}
"""Lengths beyond the limit."""


async def too_long(stage: Stage, name: str) -> None:
    """A server declares a frame of such a length to a client, which ends and tells why."""
    async with serve_bytes(frame(b"", masked=False, length=TOO_LONG[name])) as port:
        with fail_after(PATIENCE), suppress(MessageTooLargeError):
            async with connect("websocket", id=ROOM, port=port):
                await sleep_forever()


async def hostile_bytes(stage: Stage, name: str) -> None:
    """Send bytes over a websocket of its own."""
    data, expected = HOSTILE_BYTES[name]
    async with among_others(stage):
        code = await send_bytes(stage.options["port"], ROOM, data)
        assert code == expected, code
