"""Connections that are no websocket yet, or never will be: aiohttp does not count them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast
from weakref import WeakValueDictionary

from aiohttp import web

__all__ = ["Newcomer", "Newcomers"]

logger = logging.getLogger("ywire.websocket")


class Newcomers:
    """Those who have connected and have no websocket."""

    def __init__(self, limit: int, *, handshake_timeout: float, close_timeout: float) -> None:
        """Make a collection.

        Args:
            limit: How many there may be at a time.
            handshake_timeout: How long a client may take to send its request, in seconds.
            close_timeout: How long it may take to read that it is refused, in seconds.
        """
        self.handshake_timeout = handshake_timeout
        self.close_timeout = close_timeout
        self._limit = limit
        # What keeps a newcomer is its connection: nothing tells that a TLS handshake has failed.
        # (The asyncio of Python 3.11 keeps one that has until garbage is collected.)
        self._newcomers: WeakValueDictionary[web.RequestHandler, Newcomer] = WeakValueDictionary()

    @property
    def are_too_many(self) -> bool:
        """Whether there is no place for another one."""
        return len(self._newcomers) >= self._limit

    def expect(self, handler: web.RequestHandler) -> Newcomer:
        """Wait for the request of a new connection; return its protocol until it is a websocket."""
        newcomer = Newcomer(handler, self.handshake_timeout, self.forget)
        self._newcomers[handler] = newcomer
        return newcomer

    def hear(self, handler: web.RequestHandler) -> None:
        """Take note that a client has asked for something: it waits for the answer now."""
        if (newcomer := self._newcomers.get(handler)) is not None:
            newcomer.wait_for_ever()

    def see_off(self, handler: web.RequestHandler) -> None:
        """Take note that a client is refused: its connection is being closed."""
        if (newcomer := self._newcomers.get(handler)) is not None:
            newcomer.wait(self.close_timeout, "it did not read that it is refused")

    def let_in(self, handler: web.RequestHandler) -> None:
        """Take note that a client gets its websocket."""
        if handler in self._newcomers:
            self.forget(handler)
            if handler.transport is not None:
                handler.transport.set_protocol(handler)

    def forget(self, handler: web.RequestHandler) -> None:
        """Count a client no more."""
        if (newcomer := self._newcomers.pop(handler, None)) is not None:
            newcomer.wait_for_ever()

    def end(self) -> None:
        """Cut off all that are left."""
        for newcomer in list(self._newcomers.values()):
            newcomer.cut_off()


class Newcomer(asyncio.Protocol):
    """The protocol of a connection until it is a websocket: aiohttp's, and a bit more."""

    def __init__(
        self,
        handler: web.RequestHandler,
        handshake_timeout: float,
        forget: Callable[[web.RequestHandler], object],
    ) -> None:
        self._handler = handler
        self._handshake_timeout = handshake_timeout
        self._forget = forget
        # Not the handler's, which does not know it any more once it is to be closed.
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def wait(self, seconds: float, otherwise: str) -> None:
        """Cut the connection off after some time, and say why."""
        self.wait_for_ever()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._drop, seconds, otherwise)

    def wait_for_ever(self) -> None:
        """Cut the connection off no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def cut_off(self) -> None:
        """End the connection, whatever is still to be sent."""
        self._forget(self._handler)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a TLS handshake is over, and had a bound of its own."""
        # uvloop's is none of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._peer = transport.get_extra_info("peername")
        self.wait(self._handshake_timeout, "it asked for nothing")
        self._handler.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End; there is a place again."""
        self._forget(self._handler)
        self._handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request."""
        self._handler.data_received(data)

    def eof_received(self) -> None:
        """Take note that no more comes."""
        self._handler.eof_received()

    def pause_writing(self) -> None:
        """Have what is sent wait."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Go on sending."""
        self._handler.resume_writing()

    def _drop(self, seconds: float, reason: str) -> None:
        self.cut_off()
        logger.warning("%s was cut off: %s within %s s", self._peer, reason, seconds)
