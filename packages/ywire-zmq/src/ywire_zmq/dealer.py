"""The client's socket: one DEALER for one connection."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Never

import zmq
from anyio import BrokenResourceError, sleep
from anyio.lowlevel import checkpoint

from ycore.errors import ConnectError, ConnectionRejectedError, ProtocolError
from ycore.limits import Limits

from . import endpoints
from .channel import ZmqChannel
from .frames import Bye, Hello, Welcome, decode, encode
from .readiness import Readiness, watching
from .sockets import (
    BUDGET,
    NOBLOCK,
    ZERO_COPY_SIZE,
    Monitor,
    monitoring,
    open_socket,
    translate,
)

__all__ = ["Link", "ServerChannel", "open_link"]

PERMANENT_CODES = range(4400, 4500)
"""Close codes with which a server refuses a client for good."""

_NOT_CONNECTED = zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED

_MONITORED = (
    _NOT_CONNECTED
    | zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
)
"""One of them tells that the connection stands, all others that it does not."""


@dataclass(frozen=True, slots=True)
class Link:
    """A socket that is connected, and what is told of it."""

    socket: zmq.Socket[bytes]
    readiness: Readiness
    monitor: Monitor


@asynccontextmanager
async def open_link(
    context: zmq.Context[zmq.Socket[bytes]], endpoint: str, max_message_size: int
) -> AsyncIterator[Link]:
    """Connect a new socket.

    Raises:
        OSError: It cannot be connected; the message names the endpoint.
    """
    ipv6 = endpoints.needs_ipv6(endpoint)
    with (
        open_socket(context, zmq.DEALER, ipv6=ipv6, max_message_size=max_message_size) as socket,
        monitoring(socket, _MONITORED) as monitor,
        watching(socket) as readiness,
    ):
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as exc:
            raise translate(exc, f"cannot connect to {endpoint}") from exc
        # An inproc socket is connected at once, and has no events.
        if not endpoints.is_inproc(endpoint):
            await _connected(monitor, endpoint)
        yield Link(socket, readiness, monitor)


async def _connected(monitor: Monitor, endpoint: str) -> None:
    event, _ = await monitor.next()
    if event & _NOT_CONNECTED:
        raise ConnectionRefusedError(errno.ECONNREFUSED, f"cannot connect to {endpoint}")
    if event != zmq.EVENT_HANDSHAKE_SUCCEEDED:
        raise ConnectionAbortedError(errno.ECONNABORTED, f"no zmq handshake with {endpoint}")


class ServerChannel(ZmqChannel):
    """The client's end of a connection."""

    def __init__(self, link: Link, *, id: str, peer: str, limits: Limits) -> None:  # noqa: A002
        super().__init__(id, peer=peer, limits=limits)
        self._socket = link.socket
        self._readiness = link.readiness
        self._monitor = link.monitor
        self._lost = False

    async def say_hello(self, token: str = "") -> Welcome:
        """Ask for the room; return what the server answers.

        Raises:
            ConnectionError: The server refuses, or the connection broke.
        """
        self._transmit(encode(Hello(self.id, token)))
        try:
            welcome = await self._read_welcome()
        except (BrokenResourceError, ProtocolError) as exc:
            raise ConnectError(f"no welcome from {self.peer}: {exc}") from exc
        self.peer_limit = welcome.max_message_size
        return welcome

    async def read(self) -> Never:
        """Take in what arrives until cancelled."""
        while True:
            if self._drain():
                await checkpoint()
                continue
            if self._lost:
                self.lose("the server is gone")
            await self._readiness.wait()

    async def keep_alive(self, interval: float) -> Never:
        """Exchange heartbeats until cancelled."""
        while True:
            await sleep(interval)
            self.beat()

    async def watch(self) -> None:
        """Wait for the end of the connection."""
        await self._monitor.next()
        # What arrived before is still there to be read.
        self._lost = self._gone = True
        self._readiness.ring()

    async def _read_welcome(self) -> Welcome:
        while True:
            try:
                frame = self._socket.recv(NOBLOCK)
            except zmq.Again:
                if self._lost:
                    raise BrokenResourceError("the connection broke") from None
                await self._readiness.wait()
            else:
                return self._check_welcome(decode(frame))

    def _check_welcome(self, answer: object) -> Welcome:
        match answer:
            case Welcome():
                return answer
            case Bye(code, reason) if code in PERMANENT_CODES:
                raise ConnectionRejectedError(code, reason, self.peer)
            case Bye(code, reason):
                raise ConnectError(f"{self.peer} refused: {code} {reason}".rstrip())
        raise ProtocolError("its first frame is no WELCOME")

    def _drain(self) -> bool:
        """Take in what is there; return whether there may be more."""
        for _ in range(BUDGET):
            try:
                frame = self._socket.recv(NOBLOCK)
            except zmq.Again:
                return False
            self.deliver(frame)
        return True

    def _transmit(self, frame: bytes) -> bool:
        try:
            self._socket.send(frame, NOBLOCK, copy=len(frame) < ZERO_COPY_SIZE)
        except zmq.Again:
            return False
        except zmq.ZMQError as exc:
            raise BrokenResourceError(str(exc)) from exc
        finally:
            self._readiness.sent()
        return True

    def _release(self, *, told: bool) -> None:
        if told:
            # The socket is closed soon, and may go on with what it has to send.
            self._socket.set(zmq.LINGER, round(self.limits.close_timeout * 1000))
