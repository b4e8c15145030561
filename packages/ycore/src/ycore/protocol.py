"""Yjs messages to and from bytes: pure functions, no I/O, strict bounds.

A frame is one message or several in a row. Every message starts with its type as a varUint
(LEB128); lengths count bytes:

==========================  ================================================================
sync step 1                 ``00 00 varBytes(state vector)``
sync step 2                 ``00 01 varBytes(update)``
update                      ``00 02 varBytes(update)``
awareness                   ``01 varBytes(varUint n, n x [varUint id, varUint clock, varString])``
permission denied           ``02 00 varString(reason)``
query awareness             ``03``, may carry a body, which is ignored
echo                        ``66 varBytes(token)``: sent back once all before it has been applied
==========================  ================================================================

The rules are those of y-protocols (``PROTOCOL.md``, ``sync.js``, ``awareness.js``, ``auth.js``)
and y-websocket (``y-websocket.js``); the echo (type 102) is that of y-sweet.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from enum import IntEnum, auto
from math import isinf
from typing import NamedTuple, NoReturn

from .codes import INVALID_DATA
from .errors import ProtocolError
from .lib0 import encode_uint

__all__ = [
    "KEEPALIVE",
    "AwarenessEntry",
    "Kind",
    "Message",
    "decode",
    "decode_awareness",
    "encode_awareness",
    "encode_denied",
    "encode_echo",
    "encode_step1",
    "encode_step2",
    "encode_update",
]

KEEPALIVE = b"\x01\x01\x00"
"""An awareness message without entries: y-websocket 3 closes after 30 s without a message."""

MAX_SAFE_INTEGER = 2**53 - 1
"""Ids and clocks are JavaScript numbers."""

MAX_AWARENESS_ENTRIES = 10_000
"""More entries than this in one message are refused."""

MAX_MESSAGES = 1_000
"""More messages than this in one frame are refused; Yjs sends one."""

MAX_AWARENESS_CLOCK = 2**31 - 1
"""A clock above this is refused: it counts the changes of one state."""

MAX_AWARENESS_NESTING = 100
"""Awareness states nested deeper than this are refused: peers would fail to parse them."""

_SYNC, _AWARENESS, _AUTH, _QUERY_AWARENESS, _ECHO = 0, 1, 2, 3, 102


class Kind(IntEnum):
    """What a message says."""

    STEP1 = auto()
    STEP2 = auto()
    UPDATE = auto()
    AWARENESS = auto()
    DENIED = auto()
    QUERY_AWARENESS = auto()
    ECHO = auto()
    UNKNOWN = auto()


_SYNC_KINDS = (Kind.STEP1, Kind.STEP2, Kind.UPDATE)


class Message(NamedTuple):
    """One message: its kind and its payload, still encoded."""

    kind: Kind
    payload: bytes


class AwarenessEntry(NamedTuple):
    """What an awareness message says of one client."""

    client: int
    clock: int
    state: str
    """The state as JSON; "null" for a client that is gone."""

    @property
    def is_removal(self) -> bool:
        """Whether the client is gone."""
        return self.state == "null"


def encode_step1(state: bytes) -> bytes:
    """Ask for everything that a state vector does not cover."""
    return _message(b"\x00\x00", state)


def encode_step2(update: bytes) -> bytes:
    """Answer a step 1."""
    return _message(b"\x00\x01", update)


def encode_update(update: bytes) -> bytes:
    """Tell a change of the document."""
    return _message(b"\x00\x02", update)


def encode_awareness(update: bytes) -> bytes:
    """Tell awareness states, as encoded by `pycrdt.Awareness`."""
    return _message(b"\x01", update)


def encode_denied(reason: str) -> bytes:
    """Tell a client that its changes are not accepted."""
    return _message(b"\x02\x00", reason.encode())


def encode_echo(token: bytes) -> bytes:
    """Ask for an echo, or answer with one."""
    return _message(b"\x66", token)


def encode_entries(entries: list[AwarenessEntry]) -> bytes:
    """Encode awareness entries as the body of an awareness message."""
    parts = [encode_uint(len(entries))]
    for client, clock, state in entries:
        parts += (encode_uint(client), encode_uint(clock), _var_bytes(state.encode()))
    return b"".join(parts)


def decode(frame: bytes) -> Iterable[Message]:
    """Split a frame into its messages.

    Args:
        frame: What a channel received.

    Returns:
        The messages, to be iterated over once. An unknown type takes the rest of the frame with
        it, since nothing tells where it ends; behind a known message it is garbage.

    Raises:
        ProtocolError: The frame is empty, truncated, or has garbage behind a message; raised by the
            iteration where that is.
    """
    # A keystroke: one sync message of less than 128 bytes. Written out, for it is most of them.
    if len(frame) > 3 and frame[0] == _SYNC and frame[1] < 3 and frame[2] == len(frame) - 3 < 128:
        return (Message(_SYNC_KINDS[frame[1]], frame[3:]),)
    return _decode(frame)


def _decode(frame: bytes) -> Iterator[Message]:
    if not frame:
        raise ProtocolError("an empty frame")
    position = count = 0
    while position < len(frame):
        start, count = position, count + 1
        if count > MAX_MESSAGES:
            raise ProtocolError(f"more than {MAX_MESSAGES} messages in a frame")
        kind, position = _read_kind(frame, position)
        if kind is Kind.UNKNOWN and start > 0:
            raise ProtocolError("garbage behind a message")
        if kind in (Kind.UNKNOWN, Kind.QUERY_AWARENESS):
            yield Message(kind, frame[position:])
            return
        payload, position = _read_var_bytes(frame, position)
        yield Message(kind, payload)


def decode_awareness(payload: bytes) -> list[AwarenessEntry]:
    """Check and split the payload of an awareness message.

    Args:
        payload: The payload, without the message's type and length.

    Returns:
        The entries; each state is valid JSON that every peer can parse.

    Raises:
        ProtocolError: The payload is malformed or exceeds a bound.
    """
    count, position = _read_uint(payload, 0)
    if count > MAX_AWARENESS_ENTRIES or count * 3 > len(payload) - position:
        raise ProtocolError(f"an awareness message that declares {count} entries")
    entries = []
    for _ in range(count):
        client, position = _read_uint(payload, position)
        clock, position = _read_uint(payload, position)
        if clock > MAX_AWARENESS_CLOCK:
            raise ProtocolError(f"an awareness clock of {clock}")
        state, position = _read_var_bytes(payload, position)
        entries.append(AwarenessEntry(client, clock, _check_json(state)))
    if position != len(payload):
        raise ProtocolError("garbage behind an awareness message")
    return entries


def _read_kind(frame: bytes, position: int) -> tuple[Kind, int]:
    number, position = _read_uint(frame, position)
    if number == _SYNC:
        step, position = _read_uint(frame, position)
        if step >= len(_SYNC_KINDS):
            raise ProtocolError(f"an unknown sync message, {step}")
        return _SYNC_KINDS[step], position
    if number == _AWARENESS:
        return Kind.AWARENESS, position
    if number == _QUERY_AWARENESS:
        return Kind.QUERY_AWARENESS, position
    if number == _AUTH:
        permission, position = _read_uint(frame, position)
        if permission != 0:
            raise ProtocolError(f"an unknown permission, {permission}")
        return Kind.DENIED, position
    return (Kind.ECHO if number == _ECHO else Kind.UNKNOWN), position


def _check_json(encoded: bytes) -> str:
    try:
        text = encoded.decode()
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as exc:
        raise ProtocolError("an awareness state that is not UTF-8", code=INVALID_DATA) from exc
    except (ValueError, RecursionError) as exc:
        raise ProtocolError("an awareness state that is not JSON", code=INVALID_DATA) from exc
    if text.count("[") + text.count("{") > MAX_AWARENESS_NESTING:
        _check_nesting(value)
    return "null" if value is None else text


def _check_nesting(value: object) -> None:
    level = [value]
    for _ in range(MAX_AWARENESS_NESTING):
        level = [inner for outer in level for inner in _children(outer) if _children(inner)]
        if not level:
            return
    raise ProtocolError("an awareness state that is nested too deeply", code=INVALID_DATA)


def _children(value: object) -> Collection[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _finite(text: str) -> float:
    """Refuse a number that is too large: Python would write it as what JavaScript does not read."""
    number = float(text)
    if isinf(number):
        raise ValueError(text)
    return number


def _refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which Python reads and JavaScript does not."""
    raise ValueError(name)


def _message(head: bytes, body: bytes) -> bytes:
    # In this order a large body is copied once.
    return head + encode_uint(len(body)) + body


def _var_bytes(data: bytes) -> bytes:
    return encode_uint(len(data)) + data


def _read_uint(data: bytes, position: int) -> tuple[int, int]:
    if position < len(data) and data[position] < 0x80:
        return data[position], position + 1
    number = shift = 0
    for index in range(position, min(position + 8, len(data))):
        byte = data[index]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            if number > MAX_SAFE_INTEGER:
                break
            return number, index + 1
        shift += 7
    raise ProtocolError("a number that is truncated or too large")


def _read_var_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    length, position = _read_uint(data, position)
    end = position + length
    if end > len(data):
        raise ProtocolError(f"a payload of {length} bytes of which {len(data) - position} came")
    return data[position:end], end
