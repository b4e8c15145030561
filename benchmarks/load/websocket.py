"""The websocket protocol as a load generator needs it: bytes from frames, frames from bytes.

Nothing here is called for what a server sends while a clock runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["PING", "Frame", "encode_frame", "encode_pong", "encode_request", "split_frames"]

PING = 0x89
"""The first byte of a ping."""

_BINARY, _PONG = 0x82, 0x8A
_CONTINUATION, _TEXT_OPCODE, _BINARY_OPCODE = 0, 1, 2

_NO_MASK = bytes(4)
"""Clients must mask what they send. By this key masking changes nothing, at no cost to either."""


class Frame(NamedTuple):
    """A whole message."""

    payload: bytes
    end: int
    """Where it ends in what was received."""


def encode_request(path: str, port: int) -> bytes:
    """Ask for a websocket, without any extension: nobody compresses."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def encode_frame(payload: bytes) -> bytes:
    """Make a binary message of a client."""
    return _encode(_BINARY, payload)


def encode_pong(payload: bytes) -> bytes:
    """Answer a ping."""
    return _encode(_PONG, payload)


def split_frames(received: bytes | bytearray) -> Iterator[Frame]:
    """Split what a server sent into messages; one that is not complete is left out.

    Args:
        received: What came after the head of the response.

    Yields:
        The messages with data, without pings and their kind.
    """
    parts = b""
    position, view = 0, memoryview(received)
    while (head := _read_head(received, position)) is not None:
        opcode, is_last, start, end = head
        if end > len(received):
            return
        position = end
        if opcode in (_CONTINUATION, _TEXT_OPCODE, _BINARY_OPCODE):
            parts += bytes(view[start:end])
            if is_last:
                yield Frame(parts, end)
                parts = b""


def _read_head(data: bytes | bytearray, position: int) -> tuple[int, bool, int, int] | None:
    if len(data) < position + 2:
        return None
    first, length = data[position], data[position + 1]
    size = {126: 2, 127: 8}.get(length, 0)
    start = position + 2 + size
    if len(data) < start:
        return None
    if size:
        length = int.from_bytes(data[position + 2 : start], "big")
    return first & 0x0F, first >= 0x80, start, start + length


def _encode(first: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        head = bytes((first, 0x80 | length))
    elif length < 65536:
        head = bytes((first, 0x80 | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, 0x80 | 127)) + length.to_bytes(8, "big")
    return head + _NO_MASK + payload
