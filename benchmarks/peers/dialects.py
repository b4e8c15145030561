"""How servers are talked to; without any package, for their programs import this from afar."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

__all__ = ["CLIENT_ID_BITS", "Dialect", "Hocuspocus", "Yjs", "Yroom"]

CLIENT_ID_BITS = 32
"""How large the id of a client may be, as it is in Yjs.

Left to itself pycrdt 0.14 makes one of 53 bits. Older Yrs, in wiredb and yroom, makes another id
out of it, and clients never become equal.
"""

SYNC, AWARENESS, AUTH, QUERY_AWARENESS = range(4)
"""What a message may begin with; the types that Hocuspocus has besides are greater."""

TOKEN = 0


class Dialect(Protocol):
    """How to talk to a server about one document over one websocket."""

    def path(self, room: str) -> str:
        """Return the path of the URL to connect to."""

    def greeting(self, room: str) -> list[bytes]:
        """Return the frames to send first, before sync step 1."""

    def wrap(self, room: str, message: bytes) -> bytes:
        """Return a message of y-protocols as a frame."""

    def unwrap(self, frame: bytes) -> list[bytes]:
        """Return the messages of y-protocols in a frame; none if it says something else."""


class Yjs:
    """That of y-websocket: the path has the room, and a frame is a message."""

    def path(self, room: str) -> str:
        """See `Dialect`."""
        return "/" + quote(room, safe="")

    def greeting(self, room: str) -> list[bytes]:
        """See `Dialect`."""
        return []

    def wrap(self, room: str, message: bytes) -> bytes:
        """See `Dialect`."""
        return message

    def unwrap(self, frame: bytes) -> list[bytes]:
        """See `Dialect`."""
        return [frame]


class Yroom(Yjs):
    """That of yroom: like Yjs, but its answer to sync step 1 is a frame of two messages."""

    def unwrap(self, frame: bytes) -> list[bytes]:
        """See `Dialect`."""
        messages, start = [], 0
        while start < len(frame):
            end = _end_of_bytes(frame, start + (2 if frame[start] == SYNC else 1))
            messages.append(frame[start:end])
            start = end
        return messages


class Hocuspocus:
    """That of Hocuspocus: each frame begins with the room, whatever the path.

    Until a token has come, be it an empty one, the server answers nothing: it keeps at most 1000
    frames until then. It tells the sender of each update that it was taken (a "sync status").
    """

    def path(self, room: str) -> str:
        """See `Dialect`."""
        return "/"

    def greeting(self, room: str) -> list[bytes]:
        """See `Dialect`."""
        return [self.wrap(room, bytes([AUTH, TOKEN]) + _string(""))]

    def wrap(self, room: str, message: bytes) -> bytes:
        """See `Dialect`."""
        return _string(room) + message

    def unwrap(self, frame: bytes) -> list[bytes]:
        """See `Dialect`."""
        start = _end_of_bytes(frame, 0)
        return [frame[start:]] if frame[start] in (SYNC, AWARENESS, QUERY_AWARENESS) else []


def _string(text: str) -> bytes:
    """Encode as lib0's writeVarString does."""
    data = text.encode()
    size = len(data)
    length = bytearray()
    while size >= 0x80:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return bytes(length) + data


def _end_of_bytes(frame: bytes, start: int) -> int:
    """Return where the bytes, or the string, end that lib0 has written at a place in a frame."""
    size = 0
    for index in range(start, len(frame)):
        byte = frame[index]
        size |= (byte & 0x7F) << 7 * (index - start)
        if byte < 0x80:
            return index + 1 + size
    raise ValueError(f"no length at {start} in the frame {frame[:100]!r}")
