"""What the channels of both ends have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from contextlib import suppress
from secrets import randbits

from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    current_time,
    move_on_after,
    sleep,
)
from anyio.lowlevel import checkpoint

from ycore import Credentials
from ycore.errors import MessageTooLargeError, ProtocolError
from ycore.limits import Limits

from .frames import (
    CONTROL,
    MARK_STEP,
    MESSAGE_COST,
    PIECE_SIZE,
    WINDOW,
    Ack,
    Bye,
    Mark,
    Piece,
    Ping,
    Pong,
    decode,
    encode,
    encode_message,
)
from .pieces import Departure
from .receiving import ReceivingChannel

__all__ = ["ZmqChannel"]

RETRY_INTERVAL = 0.01
"""How often a full socket is tried again, in seconds: zmq does not tell when it drains."""

PEACEFUL = (1000, 1001, 1012)
"""A peer that is told one of these codes is waited for; it has done nothing wrong."""

PATIENCE = 3
"""A peer that is silent for so many heartbeats is lost."""

PING, PONG = encode(Ping()), encode(Pong())


class ZmqChannel(ReceivingChannel):
    """A channel to which frames are delivered; how they are sent is up to the subclass.

    Frames are taken from the socket as they come, so that control frames are never late. What was
    not received yet waits here, bounded by the window.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        *,
        peer: str,
        limits: Limits,
        credentials: Credentials | None = None,
    ) -> None:
        super().__init__(id, peer=peer, limits=limits, credentials=credentials)
        self.peer_limit = limits.max_message_size
        """The largest message that the peer takes, in bytes."""
        self._gone = False
        """Whether nothing can be sent any more."""
        self._heard = True
        self._silence = 0
        self._departing: Departure | None = None
        self._went = 0.0
        """When the peer has last taken something of what departs."""
        # What all messages and pieces cost together that were ...
        self._sent = self._sent_and_read = 0
        self._next_mark = MARK_STEP
        # The marks that the peer has not acknowledged, each with what was sent before it.
        self._sent_marks: deque[tuple[int, int]] = deque()
        # Who waits.
        self._drained: Event | None = None
        self._answer: Event | None = None

    @abstractmethod
    def _transmit(self, frame: bytes) -> bool:
        """Send a frame, or return False if the socket takes no more for this peer.

        Raises:
            BrokenResourceError: The connection broke.
        """

    @abstractmethod
    def _release(self, *, told: bool) -> None:
        """Be told that the channel is closed, and whether the peer was told so."""

    # What ycore uses

    async def send(self, message: bytes) -> None:
        """Send a message, waiting while the connection is full; see `Channel.send`."""
        await checkpoint()
        while not self.send_nowait(message):
            await self._wait_for_room()

    def send_nowait(self, message: bytes) -> bool:
        """Send a message if the connection takes it now; see `Channel.send_nowait`."""
        if self._closed:
            raise ClosedResourceError
        if self._gone:
            raise BrokenResourceError
        size = len(message)
        if size > self.limits.max_message_size or size > self.peer_limit:
            limit = min(self.limits.max_message_size, self.peer_limit)
            raise MessageTooLargeError(size, limit)
        if self._departing is not None or self._sent - self._sent_and_read >= WINDOW:
            return False
        if size > PIECE_SIZE:
            self._depart(message)
            return True
        # Written out, since every delivery goes through here.
        if self._sent >= self._next_mark and not self._mark():
            return False
        if not self._transmit(encode_message(message)):
            return False
        self._sent += size + MESSAGE_COST
        return True

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Say BYE after all that was sent, unless the peer is gone; see `Channel.aclose`."""
        if self._closed:
            return
        self._closed = True
        self._inbox.clear()
        self._arriving = None
        self._wake_all()
        told, bye = False, encode(Bye(code, reason))
        try:
            with move_on_after(self.limits.close_timeout):
                await self._until_departed()
                told = not self._gone and await self._say_bye(bye)
                if told and code in PEACEFUL:
                    await self._until_answered()
        finally:
            # A peer that has not taken all of a large message is told all the same.
            self._departing = None
            told = told or self._try_to_send(bye)
            self._release(told=told)

    @property
    def carried(self) -> int:
        """What has come and what the peer has read; see `Channel.carried`."""
        return self._arrived + self._sent_and_read

    @property
    def taken(self) -> int:
        """What the peer has read; see `Channel.taken`."""
        return self._sent_and_read

    # What the socket's reader uses

    def deliver(self, frame: bytes) -> None:
        """Take in a frame from the peer."""
        self._heard = True
        if self._closed:
            self._hear_while_closing(frame)
            return
        if self._end is not None:
            return
        try:
            if not frame or frame[0] < CONTROL:
                self._put(frame)
            else:
                self._obey(frame)
        except ProtocolError as exc:
            self.fail(exc)

    def fail(self, error: Exception) -> None:
        """Take in nothing more, and raise an error once all that arrived is received."""
        if self._end is None:
            self._end = error
        self._wake_all()

    def lose(self, reason: str) -> None:
        """Take note that the connection broke."""
        self._gone = True
        self._note_answer()
        self.fail(BrokenResourceError(reason))

    def beat(self) -> None:
        """Let the peer hear something, and lose it when it was silent for long."""
        self._silence = 0 if self._heard else self._silence + 1
        self._heard = False
        if self._silence >= PATIENCE:
            self.lose(f"nothing heard for {self._silence} heartbeats")
        elif self._is_stuck():
            self.fail(TimeoutError())
        if not self._closed or self._departing is not None:
            self._try_to_send(PING)
        self._acknowledge()
        self._go_on_sending()

    def _is_stuck(self) -> bool:
        """Whether a large message is under way of which nothing has moved for long.

        Nothing of it waits in `send`, so that nobody else would notice.
        """
        earliest = current_time() - self.limits.send_timeout
        departs = self._departing is not None and self._went < earliest
        return departs or (self._arriving is not None and self._has_room and self._came < earliest)

    def signal(self, frame: bytes) -> bool:
        """Send a frame if that is possible; return whether it was."""
        return not self._closed and self._try_to_send(frame)

    def probe(self) -> None:
        """Find out whether the peer is gone, also while its answer to BYE is waited for."""
        self._try_to_send(PING)

    def _try_to_send(self, frame: bytes) -> bool:
        if self._gone:
            return False
        try:
            return self._transmit(frame)
        except BrokenResourceError:
            return False

    # Receiving

    def _obey(self, frame: bytes) -> None:
        match decode(frame):
            case bytes(message):
                self._put(message)
            case Piece() as piece:
                self._put_piece(piece)
            case Mark(number):
                self._put_mark(number)
            case Ping():
                self.signal(PONG)
            case Ack(number):
                self._on_ack(number)
            case Bye(code, reason):
                self._on_bye(code, reason)
            case Pong() | None:
                pass
            case unexpected:
                raise ProtocolError(f"{type(unexpected).__name__.upper()} inside a conversation")

    def _hear_while_closing(self, frame: bytes) -> None:
        with suppress(ProtocolError):
            match decode(frame):
                case Bye():
                    # It does not read any more.
                    self._departing = None
                    self._note_room()
                    self._note_answer()
                case Ack(number):
                    self._on_ack(number)
                case Mark(number) if self._departing is not None:
                    # Who closes too, with a large message under way, must not wait for this end.
                    self._try_to_send(encode(Ack(number)))

    def _on_bye(self, code: int, reason: str) -> None:
        self.close_code, self.close_reason = code, reason
        # That all before it has arrived: without that the peer could not let go of the connection.
        self.signal(encode(Bye(code)))
        self._gone = True
        self.fail(EndOfStream())

    # Sending

    @property
    def _is_full(self) -> bool:
        return self._sent - self._sent_and_read >= WINDOW

    def _on_ack(self, number: int) -> None:
        while self._sent_marks:
            mark, sent = self._sent_marks.popleft()
            if mark == number:
                break
        else:
            raise ProtocolError("ACK of no MARK")
        self._sent_and_read = sent
        self._went = current_time()
        self._go_on_sending()
        if not self._is_full:
            self._note_room()

    def _depart(self, message: bytes) -> None:
        """Begin to send a large message.

        Raises:
            BrokenResourceError: The connection broke.
        """
        self._departing = Departure(message)
        self._went = current_time()
        try:
            self._send_pieces()
        except BrokenResourceError:
            self._departing = None
            raise

    def _go_on_sending(self) -> None:
        """Send more of a large message; that the connection broke is told where it is read."""
        with suppress(BrokenResourceError):
            self._send_pieces()

    def _send_pieces(self) -> None:
        """Send of a large message what the window allows.

        Raises:
            BrokenResourceError: The connection broke.
        """
        while (departing := self._departing) is not None and not (self._is_full or self._gone):
            piece = departing.next_piece()
            if not self._send_piece(piece):
                return
            departing.advance()
            if departing.is_over:
                self._departing = None
                self._note_room()

    def _send_piece(self, piece: Piece) -> bool:
        is_marked = self._sent < self._next_mark or self._mark()
        if is_marked and self._transmit(encode(piece)):
            self._sent += len(piece.data) + MESSAGE_COST
            return True
        return False

    def _mark(self) -> bool:
        """Have the peer acknowledge what was sent; return False if the socket does not take it."""
        number = randbits(64)
        if not self._transmit(encode(Mark(number))):
            return False
        self._sent_marks.append((number, self._sent))
        self._next_mark = self._sent + MARK_STEP
        return True

    async def _until_departed(self) -> None:
        while self._departing is not None and not self._gone:
            await self._wait_for_room()

    def _note_room(self) -> None:
        if self._drained is not None:
            self._drained.set()
            self._drained = None

    async def _wait_for_room(self) -> None:
        if not self._is_full:
            await sleep(RETRY_INTERVAL)
            self._go_on_sending()
            return
        if self._drained is None:
            self._drained = Event()
        await self._drained.wait()

    async def _until_answered(self) -> None:
        """Wait until the peer has said BYE too, or is gone.

        A connection that is closed while the peer still sends breaks at once, with all that is
        under way (Linux counts these as TCPAbortOnData).
        """
        if self._answer is None:
            self._answer = Event()
        await self._answer.wait()

    def _note_answer(self) -> None:
        if self._answer is None:
            self._answer = Event()
        self._answer.set()

    async def _say_bye(self, frame: bytes) -> bool:
        with suppress(BrokenResourceError):
            while not self._transmit(frame):  # noqa: ASYNC110 - no event tells
                await sleep(RETRY_INTERVAL)
            return True
        return False

    def _wake_all(self) -> None:
        self._wake_receiver()
        self._note_room()
