"""A zmq server whose connections the test serves, plain zmq peers, and peers in other processes."""

from __future__ import annotations

import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import pytest
import zmq
from anyio import (
    TASK_STATUS_IGNORED,
    Event,
    create_memory_object_stream,
    fail_after,
    open_process,
    sleep_forever,
    to_thread,
)
from anyio.abc import Process, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream
from anyio.streams.memory import MemoryObjectReceiveStream

from ycore import Channel, Room
from ywire_zmq import ZmqClient, ZmqServer
from ywire_zmq.router import PeerChannel

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

PATIENCE_MS = 5000


@dataclass
class Served:
    """A running server and the channels of its clients, one by one."""

    server: ZmqServer
    accepted: MemoryObjectReceiveStream[Channel]

    async def accept(self) -> Channel:
        with fail_after(5):
            return await self.accepted.receive()

    @asynccontextmanager
    async def pair(
        self, room: str = "room", **options: Any
    ) -> AsyncIterator[tuple[Channel, Channel]]:
        """Open a connection and give the client's end and the server's."""
        client = ZmqClient(id=room, endpoint=self.server.endpoint, **options)
        async with client.open() as channel:
            yield channel, await self.accept()


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve() -> Serve:
    @asynccontextmanager
    async def serve(**options: Any) -> AsyncIterator[Served]:
        send, receive = create_memory_object_stream[Channel](1000)

        class HandingRoom(Room):
            async def serve(
                self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
            ) -> None:
                await send.send(client)
                task_status.started()
                await sleep_forever()

        with send, receive:
            async with ZmqServer(room_factory=HandingRoom, **options) as server:
                yield Served(server, receive)

    return serve


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> Event:
    """Return what is set once a server takes in nothing more of some peer."""
    failed, fail = Event(), PeerChannel.fail

    def fail_and_tell(channel: PeerChannel, error: Exception) -> None:
        fail(channel, error)
        failed.set()

    monkeypatch.setattr(PeerChannel, "fail", fail_and_tell)
    return failed


class RawPeer:
    """A zmq socket of somebody who need not keep to the protocol."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket

    def send(self, *parts: bytes) -> None:
        self.socket.send_multipart(parts)

    async def receive(self) -> bytes:
        return await to_thread.run_sync(self.socket.recv)


@pytest.fixture
def raw_peer() -> Iterator[Callable[..., AbstractContextManager[RawPeer]]]:
    with zmq.Context() as context:

        @contextmanager
        def raw_peer(
            endpoint: str, *, routing_id: bytes = b"", linger: int = 0, most_waiting: int = 1000
        ) -> Iterator[RawPeer]:
            with context.socket(zmq.DEALER) as socket:
                socket.set(zmq.LINGER, linger)
                socket.set(zmq.SNDHWM, most_waiting)
                socket.set(zmq.IPV6, 1)
                socket.set(zmq.RCVTIMEO, PATIENCE_MS)
                if routing_id:
                    socket.set(zmq.ROUTING_ID, routing_id)
                socket.connect(endpoint)
                yield RawPeer(socket)

        yield raw_peer


PRELUDE = """
import anyio, sys
from ycore import Room
from ywire_zmq import ZmqClient, ZmqServer
"""


@dataclass
class Program:
    """A Python program in a process of its own."""

    process: Process
    output: BufferedByteReceiveStream

    async def read_line(self) -> str:
        with fail_after(20):
            return (await self.output.receive_until(b"\n", 1000)).decode()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture
def run() -> Callable[[str], AbstractAsyncContextManager[Program]]:
    @asynccontextmanager
    async def run(source: str) -> AsyncIterator[Program]:
        command = [sys.executable, "-c", PRELUDE + source]
        async with await open_process(command, stdin=DEVNULL, stderr=None) as process:
            assert process.stdout is not None
            program = Program(process, BufferedByteReceiveStream(process.stdout))
            try:
                yield program
            finally:
                with suppress(ProcessLookupError):
                    process.kill()

    return run


class RawRouter:
    """A zmq socket of a server that need not keep to the protocol."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket

    def send(self, identity: bytes, frame: bytes) -> None:
        self.socket.send_multipart([identity, frame])

    async def receive_parts(self) -> list[bytes]:
        return await to_thread.run_sync(self.socket.recv_multipart)


@pytest.fixture
def raw_router() -> Iterator[tuple[RawRouter, str]]:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVTIMEO, PATIENCE_MS)
        socket.bind("tcp://127.0.0.1:*")
        yield RawRouter(socket), socket.get_string(zmq.LAST_ENDPOINT)
