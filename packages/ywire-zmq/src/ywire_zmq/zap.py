"""Which keys may connect: what libzmq asks in every CURVE handshake (ZAP, ZeroMQ RFC 27).

A context has one handler, for all sockets that are bound in it. Each socket has a domain, which is
part of the question. Nothing that a peer sends is processed before its key was accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from secrets import token_hex
from typing import NamedTuple, Never

import zmq
from anyio import Lock
from anyio.lowlevel import RunVar, checkpoint
from zmq.utils import z85

from .readiness import watching
from .sockets import BUDGET, NOBLOCK, open_socket, translate

__all__ = ["KeyCheck", "checking_keys"]

ENDPOINT = "inproc://zeromq.zap.01"
"""Where libzmq looks for the handler."""

ACCEPTED, REFUSED, UNKNOWN_DOMAIN = b"200", b"400", b"500"
"""Not 300, which means "for now": libzmq may leave such a peer without an answer."""


class _List(NamedTuple):
    """The keys that may connect to a socket, or None for all; and who is told of others."""

    accepted: frozenset[str] | None
    on_refusal: Callable[[str, str], None]


class _Handler:
    """Answers for all domains of a context."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.lists: dict[bytes, _List] = {}
        """Who may connect, by domain."""
        self._turn = Lock()
        with ExitStack() as stack:
            self._socket = stack.enter_context(open_socket(context, zmq.ROUTER, ipv6=False))
            self._readiness = stack.enter_context(watching(self._socket))
            try:
                self._socket.bind(ENDPOINT)
            except zmq.ZMQError as exc:
                raise translate(exc, f"cannot bind {ENDPOINT}") from exc
            # A socket that is closed gives its endpoint back only later.
            stack.callback(self._socket.unbind, ENDPOINT)
            self._resources = stack.pop_all()

    async def run(self) -> Never:
        """Answer until cancelled; several tasks may do so, of which one is at work at a time."""
        async with self._turn:
            while True:
                if self._drain():
                    await checkpoint()
                else:
                    await self._readiness.wait()

    def close(self) -> None:
        self._resources.close()

    def _drain(self) -> bool:
        """Answer what is there; return whether there may be more."""
        for _ in range(BUDGET):
            try:
                request = self._socket.recv_multipart(NOBLOCK)
            except zmq.Again:
                return False
            self._answer(request)
        return True

    def _answer(self, request: list[bytes]) -> None:
        match request:
            case [peer, b"", version, number, domain, address, _, b"CURVE", raw_key]:
                key = z85.encode(raw_key).decode()
                status = self._judge(domain, key, address.decode())
                # The key becomes what the peer's frames tell as "User-Id".
                answer = [peer, b"", version, number, status, b"", key.encode(), b""]
                self._socket.send_multipart(answer, NOBLOCK)
            case _:
                pass  # Who gets no answer does not get in.

    def _judge(self, domain: bytes, key: str, address: str) -> bytes:
        if domain not in self.lists:
            return UNKNOWN_DOMAIN  # its server has just ended
        accepted, on_refusal = self.lists[domain]
        if accepted is None or key in accepted:
            return ACCEPTED
        on_refusal(address, key)
        return REFUSED


_handler: RunVar[_Handler | None] = RunVar("ywire_zmq_zap_handler", None)


@dataclass(frozen=True, slots=True)
class KeyCheck:
    """What checks the keys of the peers of one socket."""

    domain: bytes
    """The socket's `ZAP_DOMAIN`."""
    _handler: _Handler

    async def run(self) -> Never:
        """Do the checking until cancelled, or stand by while another socket's task does it."""
        await self._handler.run()


@contextmanager
def checking_keys(
    context: zmq.Context[zmq.Socket[bytes]],
    accepted: frozenset[str] | None,
    on_refusal: Callable[[str, str], None],
) -> Iterator[KeyCheck]:
    """Check the keys of a socket's peers for the duration of the block, in which `run` has to run.

    The first one of a context opens what is needed, the last one closes it.

    Args:
        context: The shared context of this event loop.
        accepted: The public keys that may connect; None for all.
        on_refusal: Called with the address and the key of a peer that may not.

    Raises:
        OSError: The process has too many open files.
    """
    handler = _handler.get()
    if handler is None:
        handler = _Handler(context)
        _handler.set(handler)
    # Nobody can guess it: a socket of somebody else's cannot use the keys of this one.
    domain = token_hex(16).encode()
    handler.lists[domain] = _List(accepted, on_refusal)
    try:
        yield KeyCheck(domain, handler)
    finally:
        del handler.lists[domain]
        if not handler.lists:
            _handler.set(None)
            handler.close()
