"""The client's socket: one DEALER for one connection."""

from __future__ import annotations

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
from .curve import ClientKeys
from .frames import Bye, Welcome, decode
from .handshake import MONITORED, connected
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


@dataclass(frozen=True, slots=True)
class Link:
    """A socket that is connected, and what is told of it."""

    socket: zmq.Socket[bytes]
    readiness: Readiness
    monitor: Monitor


@asynccontextmanager
async def open_link(
    context: zmq.Context[zmq.Socket[bytes]],
    endpoint: str,
    *,
    keys: ClientKeys | None,
) -> AsyncIterator[Link]:
    """Connect a new socket.

    Raises:
        ConnectionRejectedError: The server does not accept the client's key.
        OSError: It cannot be connected; the message names the endpoint.
    """
    ipv6 = endpoints.needs_ipv6(endpoint)
    with (
        open_socket(context, zmq.DEALER, ipv6=ipv6) as socket,
        monitoring(socket, MONITORED) as monitor,
        watching(socket) as readiness,
    ):
        if keys is not None:
            keys.secure(socket)
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as exc:
            raise translate(exc, f"cannot connect to {endpoint}") from exc
        # An inproc socket is connected at once, and has no events.
        if not endpoints.is_inproc(endpoint):
            await connected(monitor, endpoint, keys)
        yield Link(socket, readiness, monitor)


class ServerChannel(ZmqChannel):
    """The client's end of a connection."""

    def __init__(self, link: Link, *, id: str, peer: str, limits: Limits) -> None:  # noqa: A002
        super().__init__(id, peer=peer, limits=limits)
        self._socket = link.socket
        self._readiness = link.readiness
        self._monitor = link.monitor
        self._lost = False

    async def say_hello(self, hello: bytes) -> Welcome:
        """Ask for the room; return what the server answers.

        Args:
            hello: The frame that asks.

        Raises:
            ConnectionError: The server refuses, or the connection broke.
        """
        self._transmit(hello)
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
