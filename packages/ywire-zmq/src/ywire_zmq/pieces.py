"""Large messages in pieces: each is heard when it comes, and takes its turn in the window.

libzmq tells of a frame once all of it has come. On a slow line that takes longer than a peer may be
silent, so what is large travels in frames each of which takes a moment.
"""

from __future__ import annotations

from ycore.errors import MessageTooLargeError, ProtocolError

from .frames import PIECE_SIZE, Piece

__all__ = ["Arrival", "Departure"]


class Departure:
    """A message that leaves piece by piece."""

    def __init__(self, message: bytes, piece_size: int = PIECE_SIZE) -> None:
        """Make a departure.

        Args:
            message: What leaves: one byte at least.
            piece_size: How much of it a piece holds, in bytes.
        """
        self._message = message
        self._piece_size = piece_size
        self._start = 0

    @property
    def is_over(self) -> bool:
        """Whether there is no piece any more."""
        return self._start >= len(self._message)

    def next_piece(self) -> Piece:
        """Return the next piece; it stays the next one until `advance`."""
        end = min(self._start + self._piece_size, len(self._message))
        return Piece(len(self._message) - end, self._message[self._start : end])

    def advance(self) -> None:
        """Take note that the next piece has left."""
        self._start += self._piece_size


class Arrival:
    """A message that comes piece by piece."""

    def __init__(self, limit: int) -> None:
        """Make an arrival.

        Args:
            limit: The largest message that is taken, in bytes.
        """
        self.owed = 0
        """What the pieces cost of which the sender does not know yet that they were read."""
        self._limit = limit
        self._bytes = bytearray()
        # The first piece tells.
        self._rest: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether all pieces are there."""
        return self._rest == 0

    @property
    def message(self) -> bytes:
        """The message, as far as it has come."""
        return bytes(self._bytes)

    def add(self, piece: Piece) -> None:
        """Take in the next piece.

        Raises:
            MessageTooLargeError: The message is going to exceed the limit.
            ProtocolError: The piece cannot be the next one.
        """
        size = len(piece.data) + piece.rest
        if self._rest is None and size > self._limit:
            raise MessageTooLargeError(size, self._limit)
        if not piece.data or self._rest not in (None, size):
            raise ProtocolError("a piece that does not continue its message")
        self._bytes += piece.data
        self._rest = piece.rest
