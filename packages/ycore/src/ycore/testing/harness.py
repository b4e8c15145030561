"""What the conformance tests stand on: servers, clients, and channels in the hand of a test.

A test gets at a wire's channels through the wire itself: the server has rooms that hand over each
channel instead of talking on it, and the client's `open` gives the other end.
"""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytest
from anyio import (
    TASK_STATUS_IGNORED,
    CancelScope,
    Event,
    create_task_group,
    move_on_after,
    sleep,
)
from anyio.abc import TaskGroup, TaskStatus

from ycore.channel import Channel
from ycore.client import ClientWire
from ycore.replica import Signal
from ycore.room import Room
from ycore.rooms import RoomFactory
from ycore.server import ServerWire
from ycore.wires import bind, connect

__all__ = ["Flood", "Pair", "RawServer", "Running", "WireSuite", "number_of", "numbered"]

KIB = 1024

UNREAD_LIMIT = 64 * KIB * KIB
"""A wire that takes so many bytes for a peer that does not read is taken to be unbounded."""


class WireSuite:
    """What the tests know of the wire under test: override it in a subclass named `Test...`."""

    wire: ClassVar[str] = ""
    """The name of the wire, as for `bind`."""

    backends: ClassVar[Sequence[str | tuple[str, dict[str, Any]]]] = ("asyncio", "trio")
    """The event loops that the wire runs on, as for anyio's fixture `anyio_backend`."""

    time_limit: ClassVar[float] = 15.0
    """How long one test may take, in seconds."""

    exclusive_address: ClassVar[bool] = True
    """Whether a second server on the address of a first one is refused."""

    anyio_backend: ClassVar[Any]
    """The fixture that runs every test once on each backend; made anew for every subclass."""

    pytestmark = pytest.mark.anyio

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "anyio_backend" not in vars(cls):
            ids = [backend if isinstance(backend, str) else backend[0] for backend in cls.backends]
            fixture = pytest.fixture(name="anyio_backend", params=cls.backends, ids=ids)
            cls.anyio_backend = fixture(_backend)

    # What a wire author overrides

    def server_options(self) -> Mapping[str, Any]:
        """Return the options of a server."""
        return {}

    def client_options(self, server: ServerWire) -> Mapping[str, Any]:
        """Return the options of a client of a server.

        Args:
            server: A server that is entered, or was.
        """
        return {}

    def same_address(self, server: ServerWire) -> Mapping[str, Any]:
        """Return the options that put another server on the address of one.

        They are added to `server_options`.

        Args:
            server: A server that is entered, or was.
        """
        return {}

    async def cut_in_mid_message(self, server: ServerWire, id: str) -> None:  # noqa: A002
        """Connect to a room by hand, send the beginning of a message, and drop the connection.

        Args:
            server: The server, which is entered.
            id: The id of the room.
        """
        pytest.skip("this wire does not say how to cut a connection in mid-message")

    def make_server(self, room_factory: RoomFactory = Room, **options: Any) -> ServerWire:
        """Make a server; override it to test a wire that is not registered."""
        return bind(self.wire, room_factory, **{**self.server_options(), **options})

    def make_client(self, server: ServerWire, **options: Any) -> ClientWire:
        """Make a client of a server; override it to test a wire that is not registered."""
        return connect(self.wire, **{**self.client_options(server), **options})

    # What the tests use

    @contextmanager
    def bounded(self) -> Iterator[None]:
        """Fail the test if the block takes longer than `time_limit`."""
        where = "nothing waited"
        with move_on_after(self.time_limit) as scope:
            try:
                yield
            except BaseException as exc:
                where = _innermost(exc)
                raise
        if scope.cancelled_caught:
            pytest.fail(f"not done within {self.time_limit} s; it waited here:\n{where}")

    @asynccontextmanager
    async def serving(
        self, room_factory: RoomFactory = Room, **options: Any
    ) -> AsyncIterator[ServerWire]:
        """Run a server for the duration of the block, which is bounded."""
        with self.bounded():
            async with self.make_server(room_factory, **options) as server:
                yield server

    async def start(
        self, tasks: TaskGroup, room_factory: RoomFactory = Room, **options: Any
    ) -> Running:
        """Run a server that can end while its clients are still there."""
        running = Running(self.make_server(room_factory, **options))
        await tasks.start(running.run)
        return running

    @asynccontextmanager
    async def raw(self, **options: Any) -> AsyncIterator[RawServer]:
        """Run a server whose channels are the test's."""
        rooms = _RawRooms()
        async with self.serving(rooms, **options) as server:
            try:
                yield RawServer(self, server, rooms)
            finally:
                rooms.done.set()

    @asynccontextmanager
    async def connected(self, id: str = "", **options: Any) -> AsyncIterator[Pair]:  # noqa: A002
        """Give both ends of a connection.

        Args:
            id: The id of the room.
            options: The options of both sides.
        """
        async with self.raw(**options) as raw, raw.connect(id, **options) as pair:
            yield pair

    @asynccontextmanager
    async def open_raw(
        self,
        server: ServerWire,
        id: str,  # noqa: A002
        **options: Any,
    ) -> AsyncIterator[Channel]:
        """Open the client's end of a connection that nobody talks on."""
        client = self.make_client(server, id=id, **options)
        async with client.open() as channel:
            channel.limits = client.limits
            yield channel


def _backend(self: WireSuite, request: pytest.FixtureRequest) -> Any:
    return request.param


def _innermost(error: BaseException) -> str:
    """Tell where in this package a task was when it was cancelled, before any clean-up."""
    where = ""
    cause: BaseException | None = error
    while cause is not None:
        frames = traceback.extract_tb(cause.__traceback__)
        ours = [frame for frame in frames if Path(frame.filename).parent == Path(__file__).parent]
        where = "".join(traceback.format_list(ours[-2:])) or where
        cause = cause.__cause__ or cause.__context__
    return where.rstrip()


class Running:
    """A server in a task of its own."""

    def __init__(self, server: ServerWire) -> None:
        self.server = server
        self._stopping = Event()
        self._stopped = Event()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Run until `stop` is called."""
        async with self.server:
            task_status.started()
            await self._stopping.wait()
        self._stopped.set()

    async def stop(self) -> None:
        """Leave the server."""
        self._stopping.set()
        await self._stopped.wait()


class Pair(NamedTuple):
    """Both ends of a connection."""

    client: Channel
    server: Channel

    def seen_from(self, side: str) -> tuple[Channel, Channel]:
        """Return the end of one side, then the other one."""
        return (self.client, self.server) if side == "client" else (self.server, self.client)


class RawServer:
    """A server whose channels are the test's."""

    def __init__(self, suite: WireSuite, server: ServerWire, rooms: _RawRooms) -> None:
        self.server = server
        self._suite = suite
        self._rooms = rooms

    @asynccontextmanager
    async def connect(self, id: str = "", **options: Any) -> AsyncIterator[Pair]:  # noqa: A002
        """Open a connection and give both ends."""
        async with self._suite.open_raw(self.server, id, **options) as client:
            pair = Pair(client, await self.accept())
            try:
                yield pair
            finally:
                # At once: a transport may wait for the other end to agree.
                async with create_task_group() as tasks:
                    for channel in pair:
                        tasks.start_soon(channel.aclose)

    async def accept(self) -> Channel:
        """Wait for the next connection and return the server's end."""
        return await self._rooms.accept()


class _RawRooms:
    """Makes rooms that hand over the channels of their clients."""

    def __init__(self) -> None:
        self.done = Event()
        self._arrived: deque[Channel] = deque()
        self._arrival = Signal()

    def __call__(self, id: str) -> Room:  # noqa: A002
        return _RawRoom(id, self)

    def hand_over(self, channel: Channel) -> None:
        self._arrived.append(channel)
        self._arrival.set()

    async def accept(self) -> Channel:
        while not self._arrived:
            await self._arrival.wait()
        return self._arrived.popleft()


class _RawRoom(Room):
    def __init__(self, id: str, rooms: _RawRooms) -> None:  # noqa: A002
        super().__init__(id)
        self._rooms = rooms

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        task_status.started()
        self._rooms.hand_over(client)
        await self._rooms.done.wait()


_FILLER = bytes(range(256)) * (4 * KIB)


def numbered(number: int, size: int = 8) -> bytes:
    """Return a message of a size that holds a number."""
    return number.to_bytes(4, "big") + _FILLER[: size - 4]


def number_of(message: bytes) -> int:
    """Return the number that a message holds; -1 if the rest of the message is damaged."""
    whole = message[4:] == _FILLER[: max(len(message) - 4, 0)]
    return int.from_bytes(message[:4], "big") if whole else -1


class Flood:
    """Sends numbered messages until it is cancelled or the channel ends."""

    def __init__(self, channel: Channel, *, size: int = 64 * KIB) -> None:
        self.sent = 0
        """So many messages were sent."""
        self.failure: Exception | None = None
        """What `send` raised."""
        self._channel = channel
        self._size = size
        self._scope = CancelScope()
        self._ended = Event()

    async def run(self) -> None:
        """Send, though not for ever: an unbounded transport would fill the memory."""
        try:
            with self._scope:
                while self.sent * self._size < 2 * UNREAD_LIMIT:
                    await self._channel.send(numbered(self.sent, self._size))
                    self.sent += 1
        except Exception as exc:  # noqa: BLE001 - the test looks at it
            self.failure = exc
        finally:
            self._ended.set()

    async def until_stalled(self) -> None:
        """Wait until the transport is full.

        Only time tells: what lies between two ends takes more for a moment after it looks full.
        """
        before = -1
        while before != self.sent:
            before = self.sent
            await sleep(0.05)
            taken = self.sent * self._size
            assert taken < UNREAD_LIMIT, f"{taken} bytes were taken for a peer that does not read"

    async def cancel(self) -> None:
        """Cancel the sending of the message that is under way."""
        self._scope.cancel()
        await self._ended.wait()

    async def ended(self) -> None:
        """Wait until nothing is sent any more."""
        await self._ended.wait()
