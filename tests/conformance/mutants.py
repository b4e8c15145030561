"""Wires that are broken in one way each, to see that the conformance suite notices.

Each is the memory wire with its client's end wrapped in a channel that misbehaves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, ClassVar

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Lock,
    create_memory_object_stream,
    sleep,
)
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from ycore import Admission, Channel, ClientWire, Limits, Room, RoomFactory, ServerWire
from ycore.testing import WireConformance
from ywire_memory import MemoryClient, MemoryServer
from ywire_memory.server import listening

KIB = 1024

HANGING = 3.0
"""Longer than the time limit of a test, but not for ever: the run must end."""


class Unbroken(Channel):
    """A channel that passes everything on."""

    def __init__(self, inner: Channel) -> None:
        self.inner = inner
        super().__init__(inner.id, peer=inner.peer, limits=inner.limits)

    @property
    def limits(self) -> Limits:
        return self.inner.limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self.inner.limits = limits

    async def send(self, message: bytes) -> None:
        await self.inner.send(message)

    def send_nowait(self, message: bytes) -> bool:
        return self.inner.send_nowait(message)

    async def receive(self) -> bytes:
        try:
            return await self.inner.receive()
        finally:
            self.close_code = self.inner.close_code
            self.close_reason = self.inner.close_reason

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await self.inner.aclose(code, reason)


class WithoutSendNowait(Unbroken):
    """Not broken: a wire need not have it."""

    def send_nowait(self, message: bytes) -> bool:
        return False


class Reorders(WithoutSendNowait):
    """Lets every tenth message be overtaken by the next one."""

    held: bytes | None = None
    count = 0

    async def send(self, message: bytes) -> None:
        self.count += 1
        if self.count % 10 == 0:
            self.held = message
            return
        await super().send(message)
        if self.held is not None:
            held, self.held = self.held, None
            await super().send(held)


class Joins(Unbroken):
    """Gives two messages as one when two have come."""

    async def receive(self) -> bytes:
        message = await super().receive()
        if len(message) == 127:
            message += await super().receive()
        return message


class Truncates(Unbroken):
    """Cuts messages at 64 KiB."""

    async def receive(self) -> bytes:
        return (await super().receive())[: 64 * KIB]


class DropsEmptyMessages(WithoutSendNowait):
    async def send(self, message: bytes) -> None:
        if message:
            await super().send(message)


class EatsAByte(Unbroken):
    """Takes messages that start with 0xFF for its own."""

    async def receive(self) -> bytes:
        while (message := await super().receive())[:1] == b"\xff":
            pass
        return message


class GivesBytearrays(Unbroken):
    async def receive(self) -> bytes:
        return bytearray(await super().receive())  # type: ignore[return-value]


class MixesSenders(WithoutSendNowait):
    """Sends in two parts what is large; others come in between."""

    async def send(self, message: bytes) -> None:
        if len(message) > 60 * KIB:
            await super().send(message[: 60 * KIB])
            await checkpoint()
            message = message[60 * KIB :]
        await super().send(message)


class RepeatsWithoutWaiting(Unbroken):
    """Tells of a message that it was not sent, every hundredth time."""

    count = 0

    def send_nowait(self, message: bytes) -> bool:
        self.count += 1
        return super().send_nowait(message) and self.count % 100 != 0


class MangledId(Unbroken):
    """Takes the slashes off the room's id."""

    def __init__(self, inner: Channel) -> None:
        inner.id = inner.id.replace("/", "")
        super().__init__(inner)


class DropsAtClose(WithoutSendNowait):
    """Keeps the last message back until the next one, and does not send it at the close."""

    held: bytes | None = None

    async def send(self, message: bytes) -> None:
        held, self.held = self.held, message
        if held is not None:
            await super().send(held)


class LosesWhenCancelled(Unbroken):
    """Loses the first message after a `receive` that was cancelled."""

    waiting = False

    async def receive(self) -> bytes:
        is_again, self.waiting = self.waiting, True
        message = await super().receive()
        if is_again:
            message = await super().receive()
        self.waiting = False
        return message


class LosesWhenCancelledLate(Unbroken):
    """Waits once more when it has taken a message, and loses that when it is cancelled there."""

    async def receive(self) -> bytes:
        message = await super().receive()
        await checkpoint()
        return message


class SendsWhatWasCancelled(WithoutSendNowait):
    """Sends a message a little later although its sending was cancelled."""

    late: bytes | None = None

    async def send(self, message: bytes) -> None:
        late, self.late = self.late, message
        if late is not None:
            await super().send(late)
        self.late = message
        await super().send(message)
        self.late = None


class HangsOnClose(Unbroken):
    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await super().aclose(code, reason)
        await sleep(HANGING)


class HangsOnCloseWhenFull(Unbroken):
    """Waits for a peer that does not read."""

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if not self.inner.send_nowait(b""):
            await sleep(HANGING)
        await super().aclose(code, reason)


class KeepsItsReaders(Unbroken):
    """Leaves a task that waits in `receive` waiting when it closes."""

    async def receive(self) -> bytes:
        try:
            return await super().receive()
        except ClosedResourceError:
            await sleep(HANGING)
            raise


class KeepsItsSenders(WithoutSendNowait):
    """Leaves a task that waits in `send` waiting when it closes."""

    async def send(self, message: bytes) -> None:
        try:
            await super().send(message)
        except ClosedResourceError:
            await sleep(HANGING)
            raise


class NeverEnds(Unbroken):
    async def receive(self) -> bytes:
        try:
            return await super().receive()
        except EndOfStream:
            await sleep(HANGING)
            raise


class CallsAnEndABreak(Unbroken):
    async def receive(self) -> bytes:
        try:
            return await super().receive()
        except EndOfStream:
            raise BrokenResourceError from None


class RaisesForeignErrors(Unbroken):
    async def receive(self) -> bytes:
        try:
            return await super().receive()
        except EndOfStream as exc:
            raise EOFError("the socket was closed") from exc


class SwallowsTheCode(Unbroken):
    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await super().aclose()


class SwallowsTheReason(Unbroken):
    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await super().aclose(code)


class StaysOpenWhenCancelled(Unbroken):
    """Closes only after it has waited."""

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        await checkpoint()
        await super().aclose(code, reason)


class CanBeUsedWhenClosed(Unbroken):
    """Swallows what is sent after the close."""

    async def send(self, message: bytes) -> None:
        try:
            await super().send(message)
        except ClosedResourceError:
            return


class ClosesAgain(Unbroken):
    """Does not stand being closed twice."""

    closed = False

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if self.closed:
            raise ClosedResourceError
        self.closed = True
        await super().aclose(code, reason)


class IgnoresTheLimit(Unbroken):
    @property
    def limits(self) -> Limits:
        return Limits()

    @limits.setter
    def limits(self, limits: Limits) -> None:
        pass


class RefusesTheLimitItself(Unbroken):
    """Is off by one."""

    async def send(self, message: bytes) -> None:
        if len(message) == self.limits.max_message_size:
            raise BrokenResourceError
        await super().send(message)


class ReceivesAnything(Unbroken):
    """Keeps the limit when it sends only."""

    async def receive(self) -> bytes:
        limits, self.limits = self.limits, Limits()
        try:
            return await super().receive()
        finally:
            self.limits = limits


class BlocksOthers(WithoutSendNowait):
    """Sends for one connection at a time."""

    lock: ClassVar[Lock]

    async def send(self, message: bytes) -> None:
        async with BlocksOthers.lock:
            await super().send(message)


class QueuesWithoutBound(Unbroken):
    """Takes everything at once."""

    def __init__(self, inner: Channel) -> None:
        super().__init__(inner)
        self.queue: list[bytes] = []

    async def send(self, message: bytes) -> None:
        if not self.send_nowait(message):
            raise BrokenResourceError

    def send_nowait(self, message: bytes) -> bool:
        if self.queue or not super().send_nowait(message):
            self.queue.append(message)
        return True


class LiesWhenFull(Unbroken):
    """Says that a message is on its way when the transport is full."""

    def send_nowait(self, message: bytes) -> bool:
        super().send_nowait(message)
        return True


class MutantClient(MemoryClient):
    """Wraps its channels."""

    channel: ClassVar[type[Unbroken]]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        async with super().open() as channel:
            yield self.channel(channel)


class RefusesStrangely(MutantClient):
    """Raises an error of its own where nobody listens."""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        async with AsyncExitStack() as stack:
            try:
                channel = await stack.enter_async_context(super().open())
            except ConnectionError as exc:
                raise LookupError("no such server") from exc
            yield channel


class IsAnonymous(MutantClient):
    """Does not tell where the server is."""

    @property
    def address(self) -> str:
        return ""


class SharesItsAddress(MemoryServer):
    """Takes an address over from the server that has it."""

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        previous = listening().pop(self.name, None)
        try:
            await super().listen(task_status=task_status)
        finally:
            if previous is not None:
                listening()[self.name] = previous


class KeepsItsAddress(MemoryServer):
    """Does not give its address back."""

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        try:
            await super().listen(task_status=task_status)
        finally:
            nowhere, unread = create_memory_object_stream[Any](0)
            with nowhere, unread:
                listening()[self.name] = nowhere


class LeavesOnOneFault(MemoryServer):
    """Stops serving when one connection has ended."""

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        with CancelScope() as self.scope:
            await super().listen(task_status=task_status)
        await sleep(HANGING)

    async def serve(self, channel: Channel, admission: Admission | None = None) -> None:  # type: ignore[misc]
        await super().serve(channel, admission)
        self.scope.cancel()


class MutantConformance(WireConformance):
    """The suite on a memory wire whose client's channels are of another class."""

    backends = ("asyncio",)
    time_limit = 2.0
    channel: ClassVar[type[Unbroken]] = Unbroken
    server_class: ClassVar[type[MemoryServer]] = MemoryServer
    client_class: ClassVar[type[MutantClient]] = MutantClient

    def make_server(self, room_factory: RoomFactory = Room, **options: Any) -> ServerWire:
        BlocksOthers.lock = Lock()
        return self.server_class(room_factory=room_factory, **options)

    def make_client(self, server: ServerWire, **options: Any) -> ClientWire:
        self.client_class.channel = self.channel
        return self.client_class(**options)
