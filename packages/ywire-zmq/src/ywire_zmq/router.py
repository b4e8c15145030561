"""The server's socket: one ROUTER, and a channel for each peer that said HELLO."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import zmq
from anyio import BrokenResourceError, create_task_group, current_time, sleep
from anyio.lowlevel import checkpoint

from ycore import Credentials
from ycore.errors import ProtocolError
from ycore.limits import Limits

from .channel import ZmqChannel
from .frames import Bye, Hello, Welcome, decode, encode
from .readiness import Readiness
from .sockets import BUDGET, NOBLOCK, ZERO_COPY_SIZE, Monitor

__all__ = ["PeerChannel", "Router"]

logger = logging.getLogger("ywire.zmq")

FIRST_PART = NOBLOCK | int(zmq.SNDMORE)

PROBE_DELAYS = (0.0, 0.02, 0.08, 0.4)
"""When to look after a peer whose connection may be gone, in seconds, each after the one before:
the event may come before libzmq has taken its connection from the ROUTER."""

LAST_WORDS = 0.5
"""How long what somebody sent who is gone is waited for while others send all the time, in seconds,
each time that something comes: libzmq takes from all in turn."""

GENERATED_IDENTITY_SIZE = 5

MAX_DISMISSED = 1024
"""How many peers that were told BYE are remembered, so that what they still send is ignored."""


class PeerChannel(ZmqChannel):
    """The server's end of a connection."""

    def __init__(
        self,
        router: Router,
        identity: bytes,
        id: str,  # noqa: A002
        *,
        peer: str,
        limits: Limits,
        credentials: Credentials,
    ) -> None:
        super().__init__(id, peer=peer, limits=limits, credentials=credentials)
        self.identity = identity
        self.descriptor: int | None = None
        """The file descriptor of the connection, if it has one."""
        self._router = router

    def _transmit(self, frame: bytes) -> bool:
        try:
            return self._router.send(self.identity, frame)
        except BrokenResourceError:
            self._router.bury(self)
            raise

    def _release(self, *, told: bool) -> None:
        self._router.forget(self, told=told)


@dataclass(frozen=True, slots=True)
class _Burial:
    """Who is gone may have sent something before."""

    carried: int
    """How much of it had come."""

    since: float


class Router:
    """A ROUTER socket: who its peers are, and what arrives for whom."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        readiness: Readiness,
        *,
        limits: Limits,
        heartbeat: float,
        checks_keys: bool,
        on_connection: Callable[[PeerChannel], object],
    ) -> None:
        """Make a router.

        Args:
            socket: The ROUTER, bound.
            readiness: Tells when the socket has something to read.
            limits: The bounds for each connection.
            heartbeat: How often each peer is to be heard, in seconds.
            checks_keys: Whether a peer gets here only once its key was checked.
            on_connection: Called with each new connection.
        """
        self._socket = socket
        self._readiness = readiness
        self._limits = limits
        self._heartbeat = heartbeat
        self._checks_keys = checks_keys
        self._on_connection = on_connection
        self._welcome = encode(Welcome(round(heartbeat * 1000), limits.max_message_size))
        self._channels: dict[bytes, PeerChannel] = {}
        self._by_descriptor: dict[int, set[PeerChannel]] = {}
        self._dismissed: dict[bytes, None] = {}
        self._dying: dict[PeerChannel, _Burial] = {}

    async def run(self, monitor: Monitor) -> None:
        """Receive, and find out who is gone, until cancelled."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._receive)
            tasks.start_soon(self._keep_alive)
            while True:
                _, descriptor = await monitor.next()
                if channels := self._by_descriptor.get(descriptor):
                    tasks.start_soon(self._probe, list(channels))

    def send(self, identity: bytes, frame: bytes) -> bool:
        """Send a frame to a peer, or return False if its connection is full.

        Raises:
            BrokenResourceError: The peer is gone.
        """
        try:
            # The first part fails if the message cannot be sent; the second one never does.
            self._socket.send(identity, FIRST_PART)
            self._socket.send(frame, NOBLOCK, copy=len(frame) < ZERO_COPY_SIZE)
        except zmq.Again:
            return False
        except zmq.ZMQError as exc:
            raise BrokenResourceError(str(exc)) from exc
        finally:
            self._readiness.sent()
        return True

    def bury(self, channel: PeerChannel) -> None:
        """Take note that a peer is gone: its channel ends once all it has sent is received."""
        if channel not in self._dying:
            self._dying[channel] = _Burial(channel.carried, current_time())
            self._readiness.ring()

    def forget(self, channel: PeerChannel, *, told: bool) -> None:
        """Take note that a channel is closed, and whether the peer was told so."""
        self._channels.pop(channel.identity, None)
        if told:
            self._dismiss(channel.identity)
        if channel.descriptor is not None:
            channels = self._by_descriptor[channel.descriptor]
            channels.discard(channel)
            if not channels:
                del self._by_descriptor[channel.descriptor]

    # Receiving

    async def _receive(self) -> None:
        while True:
            if self._drain():
                self._end_silent()
                await checkpoint()
                continue
            self._end_dying()
            await self._readiness.wait()

    def _drain(self) -> bool:
        """Receive what is there; return whether there may be more."""
        receive, channels = self._socket.recv, self._channels
        for _ in range(BUDGET):
            try:
                identity = receive(NOBLOCK)
            except zmq.Again:
                return False
            channel = channels.get(identity)
            if channel is None:
                self._meet(identity)
                continue
            frame = receive(NOBLOCK)
            if self._socket.get(zmq.RCVMORE):
                self._skip_parts()
                channel.fail(ProtocolError("a message of several parts"))
            else:
                channel.deliver(frame)
        return True

    def _skip_parts(self) -> None:
        while self._socket.get(zmq.RCVMORE):
            self._socket.recv(NOBLOCK)

    def _end_dying(self) -> None:
        """Let all end who are gone: what they had sent is received."""
        dying, self._dying = self._dying, {}
        for channel in dying:
            channel.lose("the client is gone")

    def _end_silent(self) -> None:
        """Let those end of whom nothing comes any more, while others send all the time."""
        if not self._dying:
            return
        now = current_time()
        for channel, burial in list(self._dying.items()):
            if channel.carried != burial.carried:
                self._dying[channel] = _Burial(channel.carried, now)
            elif now - burial.since > LAST_WORDS:
                del self._dying[channel]
                channel.lose("the client is gone")

    # Strangers

    def _meet(self, identity: bytes) -> None:
        """Receive a message of a peer that is not connected."""
        frame = self._socket.recv(NOBLOCK, copy=False)
        parts = frame.more
        self._skip_parts()
        if identity in self._dismissed:
            return
        try:
            if parts:
                raise ProtocolError("a message of several parts")
            hello = self._read_hello(identity, frame.bytes)
        except ProtocolError as exc:
            self._refuse(identity, exc)
        else:
            if hello is not None:
                self._connect(identity, hello, frame)

    def _read_hello(self, identity: bytes, frame: bytes) -> Hello | None:
        match decode(frame):
            case Hello() as hello:
                # With an identity of its own choice a client could reconnect unnoticed, and what
                # was lost in between would be lost for good.
                if len(identity) != GENERATED_IDENTITY_SIZE or identity[0]:
                    raise ProtocolError("the routing id was not generated")
                return hello
            case Bye():
                return None
            case _:
                raise ProtocolError("not connected: HELLO comes first")

    def _refuse(self, identity: bytes, error: ProtocolError) -> None:
        logger.warning("zmq peer %s refused: %s", identity.hex(), error)
        self._dismiss(identity)
        with suppress(BrokenResourceError):
            self.send(identity, encode(Bye(error.code, str(error))))

    def _connect(self, identity: bytes, hello: Hello, frame: zmq.Frame) -> None:
        try:
            self.send(identity, self._welcome)
        except BrokenResourceError:
            return
        channel = PeerChannel(
            self,
            identity,
            hello.room,
            peer=f"zmq {_property(frame, 'Peer-Address') or 'inproc'} {identity.hex()}",
            limits=self._limits,
            credentials=Credentials(token=hello.token or None, key=self._key_of(frame)),
        )
        self._channels[identity] = channel
        with suppress(zmq.ZMQError):  # inproc has no file descriptors
            channel.descriptor = int(frame.get(zmq.SRCFD))
            self._by_descriptor.setdefault(channel.descriptor, set()).add(channel)
        self._on_connection(channel)

    def _key_of(self, frame: zmq.Frame) -> str | None:
        # Without a check, it is the peer who says what its "User-Id" is.
        return _property(frame, "User-Id") if self._checks_keys else None

    def _dismiss(self, identity: bytes) -> None:
        self._dismissed[identity] = None
        if len(self._dismissed) > MAX_DISMISSED:
            del self._dismissed[next(iter(self._dismissed))]

    # Finding out who is gone

    async def _keep_alive(self) -> None:
        while True:
            await sleep(self._heartbeat)
            self._beat()

    def _beat(self) -> None:
        for channel in list(self._channels.values()):
            channel.beat()

    async def _probe(self, channels: Iterable[PeerChannel]) -> None:
        """Send to peers whose connection may be gone: libzmq refuses if it is."""
        for delay in PROBE_DELAYS:
            await sleep(delay)
            for channel in channels:
                channel.probe()


def _property(frame: zmq.Frame, name: str) -> str | None:
    """Return what libzmq knows of the peer that sent a frame, or None if it does not."""
    try:
        return str(frame.get(name))
    except zmq.ZMQError:
        return None
