"""What one peer still has to be sent, in bounded memory.

While the transport takes messages they go straight through. When it is full, a few wait in a
queue; after that nothing of the document is queued any more: the peer's state vector is kept
instead, and when the transport drains the peer gets one update, the difference. The document is
the queue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from anyio import Event, sleep
from pycrdt import Awareness

from .channel import Channel
from .codes import POLICY_VIOLATION
from .errors import LimitReachedError, MessageTooLargeError
from .extent import EMPTY_UPDATE
from .presence import encode_states
from .protocol import encode_step2, encode_update
from .replica import EMPTY_STATE, Change, Replica, Signal
from .tasks import background_tasks

__all__ = ["Outbox"]

QUEUE_MESSAGES = 16
QUEUE_BYTES = 64 * 1024
"""The queue takes another message only below both bounds."""

QUEUE_REPLIES = 1024
"""A peer that makes so many replies wait without reading them is refused."""

NO_STATES: Iterator[bytes] = iter(())


class _Queued(NamedTuple):
    message: bytes
    is_reply: bool


class Outbox:
    """What one peer still has to be sent."""

    def __init__(
        self,
        channel: Channel,
        replica: Replica,
        awareness: Awareness,
        on_pressure: Callable[[bool], None],
    ) -> None:
        """Make an outbox; `run` must run in a task once `on_pressure(True)` was called.

        Args:
            channel: Where to send.
            replica: The document, to make differences of.
            awareness: The states, to tell the newest when there was no room for each.
            on_pressure: Called with True when something has to wait, with False when nothing does.
        """
        self._channel = channel
        self._traffic = channel.traffic
        self._replica = replica
        self._awareness = awareness
        self._on_pressure = on_pressure
        self._signal = Signal()
        self._drained: Event
        """Set when nothing waits any more; there is none before something has waited."""
        # Not a deque, which is large even when it is empty: most peers are never behind.
        self._queue: list[_Queued] = []
        self._queued_bytes = 0
        self._replies = self._reply_bytes = 0
        self._owed_since: bytes | None = None
        self._owed_answers = 0
        self._owed_awareness: set[int] | None = None
        self._owed_states = NO_STATES

    @property
    def pressed(self) -> bool:
        """Whether something waits."""
        return self._channel.is_behind

    def put(self, message: bytes) -> None:
        """Send a reply or a question, in its turn.

        Raises:
            LimitReachedError: The peer makes too many replies wait without reading them.
        """
        if not self._passes(message):
            self._check_replies()
            self._enqueue(message, is_reply=True)

    def put_after_changes(self, message: bytes) -> None:
        """Send a question that must not overtake the changes before it."""
        while (owed := self._next_owed_update()) is not None:
            self._enqueue(owed)
        self._send_or_enqueue(message)

    def put_change(self, message: bytes, change: Change) -> None:
        """Send a change of the document.

        Args:
            message: The encoded change, shared by all peers.
            change: The change, for the state before it.
        """
        # First, for it is what happens; with a difference owed nothing passes.
        if self._passes(message) or self._owed_since is not None:
            return
        if self._has_room:
            self._enqueue(message)
        else:
            self._owed_since = EMPTY_STATE if change.before is None else change.before

    def put_answer(self, state: bytes) -> None:
        """Answer a step 1 with all that a state vector does not cover."""
        if not self.pressed:
            self._send_or_enqueue(encode_step2(self._replica.update_since(state)))
            return
        # The newest question tells best what the peer has; every question gets an answer.
        self._owed_since = state
        self._owed_answers += 1

    def put_awareness(self, message: bytes, clients: Iterable[int]) -> None:
        """Send awareness states.

        Args:
            message: The encoded states, shared by all peers.
            clients: Whose states they are.
        """
        if self._passes(message):
            return
        if self._has_room and not self._owed_awareness:
            self._enqueue(message)
        else:
            self._owed_awareness = self._owed_awareness or set()
            self._owed_awareness.update(clients)

    async def run(self) -> None:
        """Send what waits, whenever something does.

        Raises:
            TimeoutError: The peer took nothing of what waits for `limits.send_timeout`.
            BrokenResourceError: The connection broke.
            ClosedResourceError: The channel was closed on this side.
            MessageTooLargeError: A message exceeds the limit.
        """
        try:
            async with background_tasks() as tasks:
                tasks.start_soon(self._watch)
                await self._run()
        finally:
            self._drained.set()

    async def _watch(self) -> None:
        """Give up when nothing is taken of what waits."""
        while True:
            before = self._progress
            await sleep(self._channel.limits.send_timeout)
            if self.pressed and self._progress == before:
                raise TimeoutError

    @property
    def _progress(self) -> tuple[object, ...]:
        """What differs when something was taken, or something else waits."""
        return self._drained, self._traffic.messages_sent, self._channel.taken

    async def _run(self) -> None:
        while True:
            await self._signal.wait()
            while (message := self._next()) is not None:
                await self._channel.send(message)
                self._traffic.messages_sent += 1
                self._traffic.bytes_sent += len(message)
            self._channel.is_behind = False
            self._drained.set()
            self._on_pressure(False)

    def abandon(self) -> None:
        """Send nothing more but what is under way."""
        while self._queue:
            self._account(self._queue.pop(0), -1)
        self._owed_since, self._owed_answers = None, 0
        self._owed_awareness, self._owed_states = None, NO_STATES

    async def drained(self) -> None:
        """Wait until nothing waits to be sent, or nothing can be sent any more."""
        if self.pressed:
            await self._drained.wait()

    @property
    def _has_room(self) -> bool:
        limit = min(QUEUE_BYTES, self._channel.limits.max_waiting_size)
        return len(self._queue) < QUEUE_MESSAGES and self._queued_bytes < limit

    def _passes(self, message: bytes) -> bool:
        """Try to send without waiting; nothing overtakes what waits already."""
        channel = self._channel
        if channel.is_behind or not channel.send_nowait(message):
            return False
        traffic = self._traffic
        traffic.messages_sent += 1
        traffic.bytes_sent += len(message)
        return True

    def _check_replies(self) -> None:
        limit = self._channel.limits.max_waiting_size
        if self._replies >= QUEUE_REPLIES or self._reply_bytes > limit:
            raise LimitReachedError(
                "too many replies wait unread", limit="max_waiting_size", code=POLICY_VIOLATION
            )

    def _send_or_enqueue(self, message: bytes) -> None:
        if not self._passes(message):
            self._enqueue(message)

    def _enqueue(self, message: bytes, *, is_reply: bool = False) -> None:
        limit = self._channel.limits.max_message_size
        if len(message) > limit:
            raise MessageTooLargeError(len(message), limit)
        queued = _Queued(message, is_reply)
        self._queue.append(queued)
        self._account(queued, 1)
        self._press()

    def _account(self, queued: _Queued, sign: int) -> None:
        size = sign * len(queued.message)
        self._queued_bytes += size
        if queued.is_reply:
            self._replies += sign
            self._reply_bytes += size

    def _press(self) -> None:
        if not self.pressed:
            self._channel.is_behind = True
            self._drained = Event()
            self._on_pressure(True)
        self._signal.set()

    def _next(self) -> bytes | None:
        if not self._queue:
            self._queue_owed()
        if not self._queue:
            return None
        queued = self._queue.pop(0)
        self._account(queued, -1)
        return queued.message

    def _queue_owed(self) -> None:
        update = self._next_owed_update()
        if update is not None:
            self._enqueue(update)
        elif (message := self._next_owed_states()) is not None:
            self._enqueue(message)

    def _next_owed_states(self) -> bytes | None:
        """Return the next message of the states that are owed; they are encoded one by one."""
        message = next(self._owed_states, None)
        if message is None and self._owed_awareness:
            clients, self._owed_awareness = self._owed_awareness, None
            self._owed_states = encode_states(self._awareness, clients)
            message = next(self._owed_states, None)
        return message

    def _next_owed_update(self) -> bytes | None:
        if self._owed_since is not None:
            update = self._replica.update_since(self._owed_since)
            self._owed_since = None
            if not self._owed_answers:
                return encode_update(update)
            self._owed_answers -= 1
            return encode_step2(update)
        if self._owed_answers:
            self._owed_answers -= 1
            return encode_step2(EMPTY_UPDATE)
        return None
