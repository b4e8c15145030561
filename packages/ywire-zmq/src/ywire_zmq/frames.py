"""Frames of the zmq wire to and from bytes: pure functions, no I/O.

A frame is the one part of a zmq message. A frame that is empty or begins with a byte below 0xF0 is
a message of the channel, unchanged; all messages of the Yjs protocol are of that kind. The others
are control frames, big-endian:

======= ==== ======================================================================================
HELLO   0xF0 version u8, room: u16 and UTF-8, token: u16 and UTF-8; client to server, first, once
WELCOME 0xF1 version u8, heartbeat in ms u32, largest message u64; server to client, the answer
BYE     0xF2 close code u16, reason in UTF-8; answered with BYE; after it comes nothing but PING
PING    0xF3
PONG    0xF4 the answer to PING
DATA    0xF5 a message of the channel that begins with a byte from 0xF0 on
ACK     0xF6 u64: the number of a MARK; as much as came before it is read
PIECE   0xF7 u64: how many bytes of a message follow after this piece; the next bytes of it
MARK    0xF8 u64: a random number, to be told by ACK once as much as came before it is read
======= ==== ======================================================================================

Control frames of other kinds are ignored, so that later versions can add some.

A message of more than `PIECE_SIZE` bytes travels in pieces, in order, the last of which says that
nothing follows. Between them come control frames, but no other message. BYE may come too: then the
message is not going to be complete.

A message, and each piece, costs its size plus `MESSAGE_COST`. One may be sent while those that are
not acknowledged cost less than `WINDOW`: so the memory for a peer that does not read is bounded in
bytes, and full is a state of each connection by itself, though all of them end in one socket. A
piece counts as read when it has come, unless an earlier message that came in pieces is still to be
read, or its sender is not let in yet: there is room for one that is larger than the window.

MARK comes before a message or a piece when those since the last MARK cost `MARK_STEP` or more. Its
number cannot be guessed: a total could, and who acknowledges without reading would have the sender
keep whatever it asks for. ACK of one MARK is ACK of all before it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from ycore.errors import ProtocolError

__all__ = [
    "BYE",
    "CONTROL",
    "MARK_STEP",
    "MAX_FRAME_SIZE",
    "MESSAGE_COST",
    "PIECE_SIZE",
    "VERSION",
    "WINDOW",
    "Ack",
    "Bye",
    "Control",
    "Hello",
    "Mark",
    "Piece",
    "Ping",
    "Pong",
    "Welcome",
    "decode",
    "encode",
    "encode_message",
]

VERSION = 3

CONTROL = 0xF0
"""Frames that begin with this byte or a higher one are control frames."""

PIECE_SIZE = 64 * 1024
"""A message of more bytes than this travels in pieces that have as many: few enough that a line on
which one takes longer than a peer may be silent is of no use, and enough to be cheap."""

MAX_FRAME_SIZE = 192 * 1024
"""No frame is that large: not a piece, nor HELLO with the longest texts."""

WINDOW = 1024 * 1024
"""What messages may cost together that the peer has not acknowledged."""

MESSAGE_COST = 64
"""What a message costs besides its size, for small ones need memory too."""

MARK_STEP = PIECE_SIZE
"""What messages may cost together before they are marked: so finely is known what the peer reads,
piece by piece. A mark and its acknowledgement cost as much as a few messages."""

MAX_REASON_SIZE = 123
"""What a websocket's close frame holds (RFC 6455, section 5.5), so that all wires are alike."""

MAX_TEXT_SIZE = 0xFFFF
"""How many bytes the id of a room may have, and a token."""

UNSUPPORTED_VERSION = 4400
"""The close code for a peer of another version: trying again does not help."""

_HELLO, _WELCOME, BYE, _PING, _PONG, _DATA, _ACK, _PIECE, _MARK = range(CONTROL, CONTROL + 9)
_ESCAPE = bytes([_DATA])
_U16 = struct.Struct(">H")
_U64 = struct.Struct(">Q")
_WELCOME_BODY = struct.Struct(">BIQ")


@dataclass(frozen=True, slots=True)
class Hello:
    """A client asks for a room."""

    room: str
    token: str = field(default="", repr=False)
    """What lets the client in; it must not get into logs."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The server can talk to a client; if it does not let it in, BYE follows."""

    heartbeat_ms: int
    """How often each side lets the other hear from it, in milliseconds."""

    max_message_size: int
    """The largest message that the server takes, in bytes."""


@dataclass(frozen=True, slots=True)
class Bye:
    """The sender has closed."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ping:
    """The sender wants to hear from its peer."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The sender is there."""


@dataclass(frozen=True, slots=True)
class Ack:
    """The sender has read as much as came before a mark."""

    number: int
    """The number of the mark."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message."""

    rest: int
    """How many bytes of the message follow after this piece."""

    data: bytes = field(repr=False)
    """The next bytes of the message."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The sender wants to be told when as much as came before this is read."""

    number: int
    """What nobody can guess who has not read it."""


Control = Hello | Welcome | Bye | Ping | Pong | Ack | Piece | Mark


def encode_message(message: bytes) -> bytes:
    """Return the frame that carries a message of the channel."""
    return _ESCAPE + message if message and message[0] >= CONTROL else message


def encode(control: Control) -> bytes:
    """Return a control frame; a reason that is too long is cut.

    Raises:
        ValueError: A number or a text does not fit.
    """
    try:
        match control:
            case Hello(room, token):
                texts = _encode_text("id of the room", room) + _encode_text("token", token)
                return bytes([_HELLO, VERSION]) + texts
            case Welcome(heartbeat_ms, max_message_size):
                body = _WELCOME_BODY.pack(VERSION, heartbeat_ms, max_message_size)
                return bytes([_WELCOME]) + body
            case Bye(code, reason):
                return bytes([BYE]) + _U16.pack(code) + _encode_reason(reason)
            case Ping():
                return bytes([_PING])
            case Pong():
                return bytes([_PONG])
            case Ack(number):
                return bytes([_ACK]) + _U64.pack(number)
            case Piece(rest, data):
                return bytes([_PIECE]) + _U64.pack(rest) + data
            case Mark(number):
                return bytes([_MARK]) + _U64.pack(number)
    except struct.error as exc:
        raise ValueError(f"{type(control).__name__} has no room for it: {exc}") from exc


def decode(frame: bytes) -> bytes | Control | None:
    """Return the message or the control frame that a frame carries.

    Returns:
        None if it is a control frame of an unknown kind.

    Raises:
        ProtocolError: The frame is malformed, or of a version that is not supported.
    """
    if not frame or frame[0] < CONTROL:
        return frame
    decoder = _DECODERS.get(frame[0])
    return None if decoder is None else decoder(frame[1:])


def _decode_hello(body: bytes) -> Hello:
    _check_version(body)
    room, rest = _decode_text(body[1:])
    token, rest = _decode_text(rest)
    _check_end(rest)
    return Hello(room, token)


def _decode_welcome(body: bytes) -> Welcome:
    _check_version(body)
    if len(body) != _WELCOME_BODY.size:
        raise ProtocolError(f"WELCOME has {len(body)} bytes, not {_WELCOME_BODY.size}")
    _, heartbeat_ms, max_message_size = _WELCOME_BODY.unpack(body)
    if not (heartbeat_ms and max_message_size):
        raise ProtocolError("a bound in WELCOME is 0")
    return Welcome(heartbeat_ms, max_message_size)


def _decode_bye(body: bytes) -> Bye:
    if not _U16.size <= len(body) <= _U16.size + MAX_REASON_SIZE:
        raise ProtocolError(f"BYE has {len(body)} bytes")
    return Bye(_U16.unpack_from(body)[0], _decode_utf8(body[_U16.size :]))


def _decode_ping(body: bytes) -> Ping:
    _check_end(body)
    return Ping()


def _decode_pong(body: bytes) -> Pong:
    _check_end(body)
    return Pong()


def _decode_ack(body: bytes) -> Ack:
    return Ack(_decode_number("ACK", body))


def _decode_piece(body: bytes) -> Piece:
    if len(body) < _U64.size:
        raise ProtocolError(f"PIECE has {len(body)} bytes, not at least {_U64.size}")
    return Piece(_U64.unpack_from(body)[0], body[_U64.size :])


def _decode_mark(body: bytes) -> Mark:
    return Mark(_decode_number("MARK", body))


def _decode_data(body: bytes) -> bytes:
    return body


_DECODERS: dict[int, Callable[[bytes], bytes | Control]] = {
    _HELLO: _decode_hello,
    _WELCOME: _decode_welcome,
    BYE: _decode_bye,
    _PING: _decode_ping,
    _PONG: _decode_pong,
    _DATA: _decode_data,
    _ACK: _decode_ack,
    _PIECE: _decode_piece,
    _MARK: _decode_mark,
}


def _check_version(body: bytes) -> None:
    if not body:
        raise ProtocolError("a version is missing")
    if body[0] != VERSION:
        text = f"version {body[0]} of the zmq wire is not supported, only {VERSION}"
        raise ProtocolError(text, code=UNSUPPORTED_VERSION)


def _decode_number(name: str, body: bytes) -> int:
    if len(body) != _U64.size:
        raise ProtocolError(f"{name} has {len(body)} bytes, not {_U64.size}")
    number: int = _U64.unpack(body)[0]
    return number


def _check_end(rest: bytes) -> None:
    if rest:
        raise ProtocolError(f"a control frame has {len(rest)} bytes too many")


def _encode_text(name: str, text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > MAX_TEXT_SIZE:
        raise ValueError(
            f"HELLO has no room for the {name}: {len(encoded)} bytes, at most {MAX_TEXT_SIZE} fit"
        )
    return _U16.pack(len(encoded)) + encoded


def _decode_text(data: bytes) -> tuple[str, bytes]:
    """Return a text and what follows it."""
    if len(data) < _U16.size:
        raise ProtocolError("the length of a text is missing")
    end = _U16.size + _U16.unpack_from(data)[0]
    if len(data) < end:
        raise ProtocolError(f"{end - len(data)} bytes of a text are missing")
    return _decode_utf8(data[_U16.size : end]), data[end:]


def _decode_utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise ProtocolError("a text is no UTF-8") from exc


def _encode_reason(reason: str) -> bytes:
    cut = reason.encode(errors="replace")[:MAX_REASON_SIZE]
    # The cut may go through a character.
    return cut.decode(errors="ignore").encode()
