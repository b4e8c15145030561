"""The half of a channel that receives: what has come waits there, and is acknowledged when read."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from anyio import ClosedResourceError, Event, current_time
from anyio.lowlevel import checkpoint

from ycore import Channel, Credentials
from ycore.errors import MessageTooLargeError, ProtocolError
from ycore.limits import Limits

from .frames import MESSAGE_COST, WINDOW, Ack, Piece, encode
from .pieces import Arrival

__all__ = ["ReceivingChannel"]

TURN = WINDOW // 16
"""After receiving messages of this cost other tasks get their turn, though there may be more."""


class ReceivingChannel(Channel):
    """A channel to which messages and pieces are handed as they come, bounded by the window."""

    def __init__(
        self,
        id: str,  # noqa: A002
        *,
        peer: str,
        limits: Limits,
        credentials: Credentials | None = None,
    ) -> None:
        super().__init__(id, peer=peer, limits=limits, credentials=credentials)
        self._closed = False
        self._end: Exception | None = None
        """Why nothing more will be received."""
        self._is_awaited = False
        """Whether anybody has ever wanted to receive: a server does once it has let its peer in."""
        # What has come and was not received yet, and how many of it came in pieces.
        self._inbox: deque[bytes | Arrival] = deque()
        self._large_waiting = 0
        self._arriving: Arrival | None = None
        self._came = 0.0
        """When there has last been something new of what arrives, or new room for it."""
        # What all messages and pieces cost together that have ...
        self._arrived = self._read = 0
        self._turn_ends = TURN
        # The peer's marks, each with what had come before it; and one that is read.
        self._marks: deque[tuple[int, int]] = deque()
        self._unacknowledged: int | None = None
        self._arrival: Event | None = None
        """Set for who waits in `receive`."""

    @abstractmethod
    def signal(self, frame: bytes) -> bool:
        """Send a frame if that is possible; return whether it was."""

    async def receive(self) -> bytes:
        """Wait for the next message; see `Channel.receive`."""
        if self._read >= self._turn_ends:
            self._turn_ends = self._read + TURN
            await checkpoint()
        if not self._is_awaited:
            self._is_awaited = True
            self._make_room()
        while not self._inbox or self._closed:
            if self._closed:
                raise ClosedResourceError
            if self._end is not None:
                raise self._end
            self._arrival = Event()
            await self._arrival.wait()
        message = self._inbox.popleft()
        if isinstance(message, bytes):
            self._read += len(message) + MESSAGE_COST
        else:
            message = self._unpack(message)
        if self._marks and self._marks[0][0] <= self._read:
            self._acknowledge()
        return message

    def _put(self, message: bytes) -> None:
        """Take in a message that is whole."""
        # Written out, since every delivery goes through here.
        size, limit = len(message), self.limits.max_message_size
        if size > limit:
            raise MessageTooLargeError(size, limit)
        if self._arriving is not None:
            raise ProtocolError("a message between the pieces of another one")
        self._arrived += size + MESSAGE_COST
        if self._arrived - self._read > WINDOW + size + MESSAGE_COST:
            raise ProtocolError("more messages than the window allows", code=1008)
        self._inbox.append(message)
        if self._arrival is not None:
            self._wake_receiver()

    def _put_piece(self, piece: Piece) -> None:
        """Take in the next piece of a message."""
        arriving = self._arriving or Arrival(self.limits.max_message_size)
        arriving.add(piece)
        cost = len(piece.data) + MESSAGE_COST
        arriving.owed += cost
        self._arrived += cost
        self._came = current_time()
        if self._has_room:
            self._settle(arriving)
        elif self._arrived - self._read > WINDOW + cost:
            raise ProtocolError("more pieces than the window allows", code=1008)
        self._arriving = None if arriving.is_over else arriving
        if arriving.is_over:
            self._large_waiting += 1
            self._inbox.append(arriving)
            self._wake_receiver()

    def _unpack(self, arrived: Arrival) -> bytes:
        """Return what came in pieces."""
        self._settle(arrived)
        self._large_waiting -= 1
        self._make_room()
        return arrived.message

    @property
    def _has_room(self) -> bool:
        """Whether what arrives may become larger than the window."""
        return self._is_awaited and not self._large_waiting

    def _make_room(self) -> None:
        """Take in what arrives, if it was held up."""
        if self._has_room and self._arriving is not None:
            self._came = current_time()
            self._settle(self._arriving)

    def _settle(self, arrival: Arrival) -> None:
        """Count all that has come of a message as read."""
        self._read += arrival.owed
        arrival.owed = 0
        self._acknowledge()

    def _put_mark(self, number: int) -> None:
        """Take in a mark."""
        if self._marks and self._marks[-1][0] == self._arrived:
            # With nothing in between one says as much as both.
            self._marks.pop()
        self._marks.append((self._arrived, number))
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Acknowledge the last mark before which no more has come than is read."""
        while self._marks and self._marks[0][0] <= self._read:
            _, self._unacknowledged = self._marks.popleft()
        number = self._unacknowledged
        if number is not None and self.signal(encode(Ack(number))):
            self._unacknowledged = None

    def _wake_receiver(self) -> None:
        if self._arrival is not None:
            self._arrival.set()
            self._arrival = None
