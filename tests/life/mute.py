"""Somebody who asks for the content of a room by hand and does not read it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.life.guest import PATIENCE
from ycore.protocol import encode_step1
from ycore.replica import EMPTY_STATE
from ywire_zmq.frames import Hello, encode

__all__ = ["mute"]

QUESTION = encode_step1(EMPTY_STATE)

UPGRADE = (
    "GET /{room} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\x00") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
"""What a DEALER says first (ZMTP 3.0, RFC 23)."""

BUFFER = 64 * 1024
BEGINNING = 100_000
"""After so many bytes the content of the room is under way."""


@contextmanager
def mute(wire: str, port: int, room: str) -> Iterator[None]:
    """Begin to read the content of a room, which must be large, and stop."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        (_join_by_websocket if wire == "websocket" else _join_by_zmq)(sock, room)
        _read(sock, BEGINNING)
        yield


def _join_by_websocket(sock: socket.socket, room: str) -> None:
    sock.sendall(UPGRADE.format(room=room).encode())
    # A binary message, whose mask changes nothing (RFC 6455, section 5.2).
    sock.sendall(bytes([0x82, 0x80 | len(QUESTION)]) + bytes(4) + QUESTION)


def _join_by_zmq(sock: socket.socket, room: str) -> None:
    sock.sendall(GREETING)
    _read(sock, len(GREETING))
    sock.sendall(bytes([0x04, len(READY)]) + READY)
    assert b"READY" in _read(sock, len(READY))
    for frame in (encode(Hello(room)), QUESTION):
        sock.sendall(bytes([0x00, len(frame)]) + frame)


def _read(sock: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = sock.recv(size - len(read))
        assert part, "the server has closed the connection"
        read += part
    return read
