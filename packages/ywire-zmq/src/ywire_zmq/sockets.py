"""Contexts, sockets and their options, and the events that libzmq tells of a socket."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import zmq
from anyio import CancelScope, to_thread
from anyio.lowlevel import RunVar
from zmq.utils.monitor import recv_monitor_message

from .frames import MAX_FRAME_SIZE, MESSAGE_COST, WINDOW
from .readiness import Readiness, watching

__all__ = [
    "BUDGET",
    "NOBLOCK",
    "ZERO_COPY_SIZE",
    "Monitor",
    "monitoring",
    "open_socket",
    "shared_context",
    "translate",
]

NOBLOCK = int(zmq.NOBLOCK)
"""A plain number: an operation on zmq's enumeration costs as much as receiving."""

ZERO_COPY_SIZE = 64 * 1024
"""From this size on, libzmq sends from the caller's bytes; below, it is faster to copy them."""

MAX_SOCKETS = 65535
"""How many sockets a context can have; a client needs three."""

BUDGET = 200
"""How many messages are read in a row before other tasks get their turn."""

MAX_UNSENT = WINDOW // MESSAGE_COST + 1024
"""How many frames libzmq keeps for a peer that does not read: all messages of a window, and some
control frames. It is the window that bounds the bytes, which libzmq does not count; control frames
without end take some 64 bytes each."""

MAX_UNREAD = 256
"""How many frames of a peer libzmq takes in while the event loop is busy. They are in nobody's
window yet, and a hostile peer makes them as large as `MAX_FRAME_SIZE`."""

HANDSHAKE_MS = 5_000
"""How long the greeting of two zmq sockets may take."""

PROBE_MS, SILENCE_MS = 5_000, 15_000
"""How often libzmq asks whether the peer's host is there, and how long it waits for an answer."""

NEVER_MS = 24 * 60 * 60 * 1000
"""A socket is not used for a second connection: what it had received would get mixed up."""


def translate(error: zmq.ZMQError, text: str) -> OSError:
    """Return what an error of libzmq is in terms of the operating system."""
    number = error.errno or errno.EINVAL
    # pyzmq's own text repeats the address.
    return OSError(number, f"{text}: {zmq.strerror(number)}")


@dataclass(slots=True)
class _Shared:
    context: zmq.Context[zmq.Socket[bytes]]
    users: int = 0


_shared: RunVar[_Shared | None] = RunVar("ywire_zmq_context", None)


@asynccontextmanager
async def shared_context() -> AsyncIterator[zmq.Context[zmq.Socket[bytes]]]:
    """Use the zmq context of this event loop; the last one that leaves ends it.

    Servers and clients share a context because inproc endpoints are private to one; the event
    loop owns it because it has a thread and file descriptors, which must end with their users.
    Leaving waits for what the sockets still have to send, at most for their `LINGER`.
    """
    shared = _shared.get()
    if shared is None:
        shared = _Shared(zmq.Context())
        shared.context.set(zmq.MAX_SOCKETS, MAX_SOCKETS)
        _shared.set(shared)
    shared.users += 1
    try:
        yield shared.context
    finally:
        shared.users -= 1
        if not shared.users:
            _shared.set(None)
            with CancelScope(shield=True):
                await to_thread.run_sync(shared.context.term)


@contextmanager
def open_socket(
    context: zmq.Context[zmq.Socket[bytes]],
    kind: int,
    *,
    ipv6: bool,
) -> Iterator[zmq.Socket[bytes]]:
    """Open a socket that sends nothing any more once it is left, unless `LINGER` is set.

    Raises:
        OSError: The process has too many open files.
    """
    try:
        socket = context.socket(kind)
    except zmq.ZMQError as exc:
        raise translate(exc, "cannot open a zmq socket") from exc
    options = {
        zmq.IPV6: int(ipv6),
        zmq.MAXMSGSIZE: MAX_FRAME_SIZE,
        zmq.SNDHWM: MAX_UNSENT,
        zmq.RCVHWM: MAX_UNREAD,
        zmq.LINGER: 0,
        zmq.HANDSHAKE_IVL: HANDSHAKE_MS,
        zmq.HEARTBEAT_IVL: PROBE_MS,
        zmq.HEARTBEAT_TIMEOUT: SILENCE_MS,
        zmq.HEARTBEAT_TTL: SILENCE_MS,
        zmq.RECONNECT_IVL: NEVER_MS,
    }
    try:
        for option, value in options.items():
            socket.set(option, value)
        yield socket
    finally:
        socket.close()


class Monitor:
    """The events that libzmq tells of a socket."""

    def __init__(self, socket: zmq.Socket[bytes], readiness: Readiness) -> None:
        self._socket = socket
        self._readiness = readiness

    async def next(self) -> tuple[int, int]:
        """Wait for an event; return it and its value, mostly a file descriptor."""
        while True:
            try:
                event = recv_monitor_message(self._socket, NOBLOCK)
            except zmq.Again:
                await self._readiness.wait()
            else:
                return event["event"], event["value"]


@contextmanager
def monitoring(socket: zmq.Socket[bytes], events: int) -> Iterator[Monitor]:
    """Be told of some events of a socket."""
    monitor = socket.get_monitor_socket(events)
    try:
        with watching(monitor) as readiness:
            yield Monitor(monitor, readiness)
    finally:
        socket.disable_monitor()
        monitor.close(0)
