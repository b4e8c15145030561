"""One document synchronised over one channel: what is sent, owed and acknowledged.

The two ends of a channel speak the same protocol; what differs between a room's view of a client
and a client's view of its server is in the subclasses, in `room.py` and `client.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any, TypeVar, TypeVarTuple, Unpack

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    create_task_group,
    current_time,
    fail_after,
    move_on_after,
)
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from pycrdt import Awareness

from .channel import Channel
from .codes import GOING_AWAY, INTERNAL_ERROR, NORMAL, POLICY_VIOLATION, shorten
from .errors import ProtocolError, RefusedError
from .extent import Extent
from .outbox import Outbox
from .protocol import (
    AwarenessEntry,
    Kind,
    decode,
    decode_awareness,
    encode_echo,
    encode_step1,
)
from .replica import LARGE, Change, Replica
from .throttle import Throttle
from .updates import check_update, decode_state_vector, walk_state_vector, walk_update

__all__ = ["Session"]

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

ASK_INTERVAL = 1.0
"""A peer is asked at most so often for what is missing, in seconds."""


def _ask_interval() -> float:
    return ASK_INTERVAL


def _ignore(payload: bytes) -> None:
    """Parse what needs no parsing."""


PARSERS: dict[Kind, Callable[[bytes], object]] = {
    **dict.fromkeys(Kind, _ignore),
    Kind.STEP1: decode_state_vector,
    Kind.STEP2: check_update,
    Kind.UPDATE: check_update,
    Kind.AWARENESS: decode_awareness,
}

WALKS: dict[Kind, Callable[[bytes], Generator[None, None, object]]] = {
    Kind.STEP1: walk_state_vector,
    Kind.STEP2: walk_update,
    Kind.UPDATE: walk_update,
}
"""The same for what is large: in steps, between which others get their turn."""


class Session(ABC):
    """One document synchronised over one channel."""

    def __init__(
        self, channel: Channel, incoming: Replica, outgoing: Replica, awareness: Awareness
    ) -> None:
        """Make a session.

        Args:
            channel: Where to talk; the session closes it.
            incoming: Where what the peer sends is applied.
            outgoing: What the peer is told of; mostly the same one.
            awareness: The states that the peer is told of.
        """
        self.channel = channel
        self.unknown_messages = 0
        """How many messages were ignored for their unknown type."""
        self._steps = 0
        """How many steps have been taken with what takes long."""
        self._incoming = incoming
        self._outgoing = outgoing
        self._awareness = awareness
        self._outbox = Outbox(channel, outgoing, awareness, self._on_pressure)
        self._lost: BrokenResourceError | None = None
        self._is_over = False
        self._tasks: TaskGroup | None = None
        self._sending: CancelScope | None = None
        self._farewell = (GOING_AWAY, "the server is going away")
        self._asking = Throttle(self._ask, _ask_interval)

    @property
    def failure(self) -> Exception | None:
        """Why this side ended the conversation, if it was for a fault."""
        return self.channel.failure

    @property
    def progress(self) -> int:
        """A number that grows while something comes, goes, or is checked; see `Channel.carried`."""
        return self.channel.carried + self._steps

    async def run(self) -> None:
        """Talk until the channel ends or this side ends it, then close the channel.

        Never raises for a fault of the peer or of the connection: `failure` tells.
        """
        async with create_task_group() as self._tasks:
            try:
                await self._converse()
            except Exception as exc:  # noqa: BLE001 - the peer is refused with it
                self.refuse(exc)
            finally:
                # What is to be sent and the close have bounds; this one is for a wire without any.
                bound = 2 * self.channel.limits.close_timeout + 1
                with move_on_after(bound, shield=True):
                    await self._finish()
                self._scope.cancel()

    def end(self, code: int, reason: str = "") -> None:
        """End the conversation: send what waits, then close the channel."""
        self._farewell = (code, reason)
        self._scope.cancel()

    def refuse(self, error: Exception) -> None:
        """End the conversation for a fault; the first one counts."""
        if isinstance(error, BrokenResourceError):
            # Why the connection broke is at the end of what was received: go on for a while.
            self._lost = self._lost or error
            self._scope.deadline = current_time() + self.channel.limits.close_timeout
        elif self.failure is None:
            self.channel.failure = error
            self._scope.cancel()

    def ask_again(self) -> None:
        """Ask the peer for what this side lacks, at most once in `ASK_INTERVAL`."""
        if self._tasks is not None and not self._is_over:
            self._asking.request(self._tasks)

    def tell_change(self, message: bytes, change: Change) -> None:
        """Send a change of the document that was encoded for all."""
        # Written out instead of by `_contain`, since every delivery goes through here.
        if self.channel.failure is None and self._lost is None and not self._is_over:
            try:
                self._outbox.put_change(message, change)
            except Exception as exc:  # noqa: BLE001 - the peer is refused with it
                self.refuse(exc)

    def tell_awareness(self, message: bytes, clients: list[int]) -> None:
        """Send awareness states that were encoded for all."""
        self._contain(self._outbox.put_awareness, message, clients)

    def tell_after_changes(self, message: bytes) -> None:
        """Send a question that must not overtake the changes before it."""
        self._contain(self._outbox.put_after_changes, message)

    def tell(self, message: bytes) -> None:
        """Send a small message."""
        self._contain(self._outbox.put, message)

    @abstractmethod
    def greet(self) -> None:
        """Say what comes first."""

    @abstractmethod
    def say_goodbye(self) -> None:
        """Say what comes last, when this side ends a conversation that was not at fault."""

    @abstractmethod
    def on_awareness(self, entries: list[AwarenessEntry]) -> None:
        """Take in awareness states."""

    @abstractmethod
    def on_query_awareness(self) -> None:
        """Answer a request for all awareness states."""

    @abstractmethod
    def on_pressure(self, pressed: bool) -> None:
        """Be told that something waits to be sent, or that nothing does any more."""

    @abstractmethod
    def on_denied(self, reason: str) -> None:
        """Be told that the peer does not accept changes."""

    # The conversation

    @property
    def _scope(self) -> CancelScope:
        """Cancels the conversation; what waits to be sent and the end are shielded."""
        assert self._tasks is not None, "nobody talks yet"
        return self._tasks.cancel_scope

    async def _converse(self) -> None:
        self.greet()
        receive = self.channel.receive
        try:
            with fail_after(self.channel.limits.handshake_timeout):
                frame = await receive()
            _check_is_no_stranger(frame)
            while True:
                await self._take_in(frame)
                frame = await receive()
        except EndOfStream:
            return

    async def _take_in(self, frame: bytes) -> None:
        channel = self.channel
        traffic = channel.traffic
        traffic.messages_received += 1
        traffic.bytes_received += len(frame)
        for kind, payload in decode(frame):
            if len(payload) <= LARGE:
                parsed = PARSERS[kind](payload)
            else:
                parsed = await self._parse_large(kind, payload)
            if channel.failure is None:
                rest = self._handle(kind, payload, parsed)
                if rest is not None:
                    await rest

    async def _parse_large(self, kind: Kind, payload: bytes) -> object:
        """Check and parse a payload that takes so long that others would notice.

        Raises:
            ProtocolError: It is malformed or exceeds a bound.
        """
        walk = WALKS.get(kind)
        return PARSERS[kind](payload) if walk is None else await self._walk(walk(payload))

    async def _walk(self, steps: Generator[None, None, Result]) -> Result:
        """Do something that takes long in steps, between which others get their turn."""
        while True:
            try:
                next(steps)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            self._steps += 1
            await checkpoint()

    def _handle(self, kind: Kind, payload: bytes, parsed: Any) -> Awaitable[None] | None:
        """Handle a message; return what of that takes long, if anything does."""
        match kind:
            case Kind.UPDATE:
                self._on_update(payload, parsed)
            case Kind.AWARENESS:
                self.on_awareness(parsed)
            case Kind.STEP1:
                self._on_step1(payload)
            case Kind.STEP2:
                return self._on_step2(payload, parsed)
            case Kind.ECHO:
                self._on_echo(payload)
            case Kind.QUERY_AWARENESS:
                self.on_query_awareness()
            case Kind.DENIED:
                self.on_denied(payload.decode(errors="replace"))
            case Kind.UNKNOWN:
                self.unknown_messages += 1
        return None

    def _on_step1(self, payload: bytes) -> None:
        # The answer also tells the peer that all it sent before has been applied.
        self._incoming.defer(partial(self._contain, self.answer, payload))

    def answer(self, state: bytes) -> None:
        """Answer a step 1."""
        self._outbox.put_answer(state)

    def _on_step2(self, payload: bytes, extent: Extent) -> Awaitable[None] | None:
        self._incoming.receive(payload, extent, self, complete=True)
        return None

    def _on_update(self, payload: bytes, extent: Extent) -> None:
        self._incoming.receive(payload, extent, self)

    def _on_echo(self, payload: bytes) -> None:
        self._incoming.defer(partial(self.tell, encode_echo(payload)))

    def _ask(self) -> None:
        self.tell(encode_step1(self._incoming.state()))

    # Sending what waits

    def _on_pressure(self, pressed: bool) -> None:
        self.on_pressure(pressed)
        if pressed and self._sending is None and self._tasks is not None:
            self._sending = CancelScope(shield=True)
            self._tasks.start_soon(self._send_what_waits, self._sending)

    async def _send_what_waits(self, scope: CancelScope) -> None:
        # Shielded: when the conversation is cancelled, what waits is still sent, within a bound.
        with scope:
            await self._attempt(self._outbox.run)

    # Faults and the end

    def _contain(self, action: Callable[[Unpack[Arguments]], None], *arguments: *Arguments) -> None:
        """Do something for this peer on behalf of others, whom its faults must not reach."""
        if self.failure is not None or self._lost is not None or self._is_over:
            return
        try:
            action(*arguments)
        except Exception as exc:  # noqa: BLE001 - the peer is refused with it
            self.refuse(exc)

    async def _attempt(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except Exception as exc:  # noqa: BLE001 - the peer is refused with it
            self.refuse(exc)

    async def _finish(self) -> None:
        if self.failure is None and self.channel.close_code is None:
            self.channel.failure = self._lost
        if self.failure is not None or self.channel.close_code is not None:
            self._outbox.abandon()
        else:
            self.say_goodbye()
        # To cancel a message that is under way would break the channel before it can be closed.
        with move_on_after(self.channel.limits.close_timeout):
            await self._outbox.drained()
        if self._sending is not None:
            self._sending.cancel()
        # What a later turn would still say is not why it has ended.
        self._is_over = True
        code, reason = self._verdict()
        await self._attempt(partial(self.channel.aclose, code, reason))

    def _verdict(self) -> tuple[int, str]:
        match self.failure:
            case None:
                return self._farewell
            case ProtocolError() | RefusedError() as error:
                return error.code, shorten(str(error))
            case TimeoutError():
                return POLICY_VIOLATION, "too slow"
            case BrokenResourceError() | ClosedResourceError():
                return NORMAL, ""
            case _:
                return INTERNAL_ERROR, "internal error"


def _check_is_no_stranger(frame: bytes) -> None:
    """Make sure that a first frame is one that a Yjs peer begins with.

    Later messages of an unknown type may be extensions. Those of Hocuspocus begin with the length
    of the document's name: 3, and the name looks like the body of a query.

    Raises:
        ProtocolError: It is none.
    """
    kind, payload = next(iter(decode(frame)))
    if kind is Kind.UNKNOWN or (kind is Kind.QUERY_AWARENESS and payload != b""):
        raise ProtocolError("the peer does not speak the Yjs protocol")
