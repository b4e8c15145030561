"""A websocket by hand, for bytes that no library sends: RFC 6455."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha1
from random import Random
from struct import pack
from urllib.parse import quote

from anyio import (
    BrokenResourceError,
    EndOfStream,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
    fail_after,
)
from anyio.abc import ByteReceiveStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.fuzz.mutation import mutate
from tests.fuzz.stage import PATIENCE

__all__ = ["CLOSE", "FIN", "frame", "random_bytes", "send_bytes", "serve_bytes"]

FIN = 0x80
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

HANDSHAKE = """\
GET /{path} HTTP/1.1
Host: localhost
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==
Sec-WebSocket-Version: 13

"""

ANSWER = """\
HTTP/1.1 101 Switching Protocols
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Accept: {proof}

"""

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What a server appends to the key of its client."""

LENGTHS = (0, 1, 125, 126, 127, 2**16 - 1, 2**16, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1)


def frame(
    payload: bytes, head: int = FIN | BINARY, *, masked: bool = True, length: int | None = None
) -> bytes:
    """Return a frame.

    Args:
        payload: What is in it.
        head: The first byte: flags and opcode.
        masked: Whether it is masked, as a client's has to be.
        length: The length that it declares, if that is not true.
    """
    size = len(payload) if length is None else length
    mask = 0x80 if masked else 0
    if size < 126:
        declared = pack("!B", mask | size)
    elif size < 2**16:
        declared = pack("!BH", mask | 126, size)
    else:
        declared = pack("!BQ", mask | 127, size)
    # A mask of zeros changes nothing.
    return bytes([head]) + declared + (bytes(4) if masked else b"") + payload


async def send_bytes(port: int, room: str, data: bytes) -> int | None:
    """Send bytes over a new websocket and then nothing more.

    Returns:
        The code with which the server has closed, or None if it has just ended the connection.
    """
    with fail_after(PATIENCE):
        async with await connect_tcp("127.0.0.1", port) as stream:
            await stream.send(_http(HANDSHAKE, path=quote(room)))
            buffered = BufferedByteReceiveStream(stream)
            head = await buffered.receive_until(b"\r\n\r\n", 10_000)
            assert b" 101 " in head, head
            with suppress(BrokenResourceError):
                await stream.send(data)
                # If the server waits for the rest of a frame: there is none.
                await stream.send_eof()
            return _close_code(await _read_all(buffered))


@asynccontextmanager
async def serve_bytes(data: bytes) -> AsyncIterator[int]:
    """Serve websockets that carry these bytes and nothing more; give the port."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            buffered = BufferedByteReceiveStream(stream)
            head = await buffered.receive_until(b"\r\n\r\n", 10_000)
            with suppress(BrokenResourceError):
                await stream.send(_http(ANSWER, proof=_proof(head)) + data)
            await _read_all(buffered)

    listener = await create_tcp_listener(local_host="127.0.0.1")
    async with listener, create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


def random_bytes(rand: Random, message: bytes) -> bytes:
    """Return frames of a message that a websocket may, or must not, consist of."""
    kind = rand.randrange(6)
    if kind == 0:
        parts = [message[:3], message[3:], b""]
        heads = [BINARY, CONTINUATION, rand.choice([FIN, CONTINUATION, PING])]
        data = b"".join(map(frame, parts, heads))
    elif kind == 1:
        data = frame(message, rand.randrange(256), masked=rand.random() < 0.8)
    elif kind == 2:
        data = frame(message, length=rand.choice(LENGTHS))
    elif kind == 3:
        data = frame(message[:200], FIN | rand.choice([TEXT, CLOSE, PING, PONG]))
    elif kind == 4:
        data = mutate(rand, frame(message), frame(message, TEXT))
    else:
        data = rand.randbytes(rand.randrange(200))
    return data + frame(message)


def _http(template: str, **values: str) -> bytes:
    return template.format(**values).replace("\n", "\r\n").encode()


def _proof(head: bytes) -> str:
    """Return what tells a client that its handshake was understood."""
    fields = (line.partition(b":") for line in head.split(b"\r\n"))
    (key,) = (value.strip() for name, _, value in fields if name.lower() == b"sec-websocket-key")
    return b64encode(sha1(key + GUID).digest()).decode()


async def _read_all(stream: ByteReceiveStream) -> bytes:
    received = bytearray()
    with suppress(EndOfStream, BrokenResourceError):
        while True:
            received += await stream.receive()
    return bytes(received)


def _close_code(frames: bytes) -> int | None:
    """Return the code of the server's close frame, if there is one behind its other frames."""
    position = 0
    while position + 2 <= len(frames):
        head, size = frames[position], frames[position + 1]
        position += 2
        if size > 125:
            width = 2 if size == 126 else 8
            size = int.from_bytes(frames[position : position + width], "big")
            position += width
        if head == FIN | CLOSE:
            return int.from_bytes(frames[position : position + 2], "big")
        position += size
    return None
