"""The servers of all wires with the rooms that they share, their restarts, and a disk."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from anyio import TASK_STATUS_IGNORED, CancelScope, Event, Lock, create_task_group, sleep
from anyio.abc import TaskGroup, TaskStatus
from pycrdt import Doc, TransactionEvent

from tests.chaos.actions import Fate, Restart
from ycore import Access, Channel, Room, Rooms, ServerWire, bind

__all__ = ["Site"]

T = TypeVar("T")

HOST = "127.0.0.1"

LINGER = 0.3
"""Rooms close, and come back from the disk, also while servers run."""

LATENCY = 0.1
"""How long the disk takes, in seconds: others come while a room is loaded, or closes."""

PATIENCE: dict[str, float] = {"handshake_timeout": 3.0, "send_timeout": 1.5, "close_timeout": 0.5}
"""Stalls last longer, at times."""

HEARTBEATS = {"websocket": 1.5, "zmq": 0.5}
"""In seconds; a client is lost after one and a half, and three of them."""

Disk = dict[str, list[bytes]]
"""The updates of each room."""


class StoredRoom(Room):
    """A room that writes every change to a disk, and takes its time to load and to close."""

    def __init__(
        self,
        disk: Disk,
        on_newcomer: Callable[[str], None],
        id: str,  # noqa: A002
    ) -> None:
        super().__init__(id)
        self._updates = disk.setdefault(id, [])
        self._on_newcomer = on_newcomer
        self._present: set[Channel] = set()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        await sleep(LATENCY)
        for update in self._updates:
            self.doc.apply_update(update)
        subscription = self.doc.observe(self._write)
        try:
            await super().run(task_status=task_status)
        finally:
            self.doc.unobserve(subscription)
            self._updates[:] = [self.doc.get_update()]
            with CancelScope(shield=True):
                await sleep(LATENCY)

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        self._on_newcomer(self.id)
        self._present.add(client)
        try:
            await super().serve(client, task_status=task_status)
        finally:
            self._present.discard(client)

    def grant(self, access: Access) -> None:
        """Allow everybody who is there so much."""
        for client in self._present:
            client.grant(access)

    def _write(self, event: TransactionEvent) -> None:
        self._updates.append(event.update)


class Running(Generic[T]):
    """A context manager that is entered and left in a task of its own."""

    def __init__(self, manager: AbstractAsyncContextManager[T]) -> None:
        self._manager = manager
        self._stopping, self._stopped = Event(), Event()

    async def run(self, *, task_status: TaskStatus[T]) -> None:
        async with self._manager as entered:
            task_status.started(entered)
            await self._stopping.wait()
        self._stopped.set()

    async def stop(self) -> None:
        """Leave it."""
        self._stopping.set()
        await self._stopped.wait()


class Site:
    """The servers of all wires, with one set of rooms."""

    def __init__(
        self,
        wires: Iterable[str],
        *,
        break_connections: Callable[[Iterable[str]], None],
        on_loss: Callable[[], None],
        on_newcomer: Callable[[str], None],
    ) -> None:
        """Make a site.

        Args:
            wires: The wires.
            break_connections: Called to have all connections of some wires broken.
            on_loss: Called when the content of all rooms is gone.
            on_newcomer: Called with the id of a room before somebody enters it, who may write.
        """
        self._wires = tuple(wires)
        self._break_connections = break_connections
        self._on_loss = on_loss
        self._on_newcomer = on_newcomer
        self._disk: Disk = {}
        self._ports: dict[str, int] = {}
        self._down: set[str] = set()
        self._tasks: TaskGroup | None = None
        self._rooms: Rooms | None = None
        self._running: dict[str, Running[Any]] = {}
        self._changing = Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the servers for the duration of the block."""
        with ExitStack() as stack:
            self._ports = {wire: stack.enter_context(_port_of_ours()) for wire in self._wires}
            async with create_task_group() as self._tasks:
                await self._open_rooms()
                await self._start(self._wires)
                yield
                await self._stop(self._wires)
                await self._close_rooms()

    def port(self, wire: str) -> int | None:
        """Return where to connect, or None if the host of the servers is down."""
        return None if wire in self._down else self._ports[wire]

    def room(self, id: str) -> StoredRoom | None:  # noqa: A002
        """Return a room if it is open."""
        rooms = (room for room in self._rooms or () if isinstance(room, StoredRoom))
        return next((room for room in rooms if room.id == id), None)

    def document(self, id: str) -> Doc[Any]:  # noqa: A002
        """Return the document of a room: the room's own, or what is on the disk."""
        if (room := self.room(id)) is not None:
            return room.doc
        document: Doc[Any] = Doc()
        for update in self._disk.get(id, ()):
            document.apply_update(update)
        return document

    async def restart(self, restart: Restart) -> None:
        """Leave some servers and start others on their addresses."""
        async with self._changing:
            if restart.is_crash:
                self._down.update(restart.wires)
                self._break_connections(restart.wires)
            await self._stop(restart.wires)
            if restart.fate is not Fate.KEPT:
                await self._close_rooms()
            if restart.fate is Fate.LOST:
                self._disk.clear()
                self._on_loss()
            await sleep(restart.downtime)
            if restart.fate is not Fate.KEPT:
                await self._open_rooms()
            await self._start(restart.wires)
            self._down.difference_update(restart.wires)

    async def _open_rooms(self) -> None:
        rooms = Rooms(partial(StoredRoom, self._disk, self._on_newcomer), linger=LINGER)
        self._rooms = await self._enter("rooms", rooms)

    async def _close_rooms(self) -> None:
        await self._running.pop("rooms").stop()
        self._rooms = None

    async def _start(self, wires: Iterable[str]) -> None:
        for wire in wires:
            await self._enter(wire, self._server(wire))

    async def _stop(self, wires: Iterable[str]) -> None:
        async with create_task_group() as tasks:
            for wire in wires:
                tasks.start_soon(self._running.pop(wire).stop)

    async def _enter(self, name: str, manager: AbstractAsyncContextManager[T]) -> T:
        assert self._tasks is not None, "the site does not run"
        running = self._running[name] = Running(manager)
        entered: T = await self._tasks.start(running.run)
        return entered

    def _server(self, wire: str) -> ServerWire:
        options: dict[str, Any] = {**PATIENCE, "rooms": self._rooms}
        if wire in HEARTBEATS:
            options |= {"host": HOST, "port": self._ports[wire], "heartbeat": HEARTBEATS[wire]}
        return bind(wire, **options)


@contextmanager
def _port_of_ours() -> Iterator[int]:
    """Keep a port that a server may listen on, lest somebody else gets it while none does."""
    with socket.socket() as placeholder:
        placeholder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        placeholder.bind((HOST, 0))
        yield placeholder.getsockname()[1]
