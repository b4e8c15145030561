"""Connections on which nothing has been asked for yet; aiohttp would wait for ever."""

from __future__ import annotations

import asyncio
import logging
from weakref import WeakValueDictionary, ref

from aiohttp import web

__all__ = ["Newcomer", "Newcomers"]

logger = logging.getLogger("ywire.websocket")


class Newcomers:
    """Those who have connected and asked for nothing; who does not in time is dropped."""

    def __init__(self, seconds: float, limit: int) -> None:
        """Make a collection.

        Args:
            seconds: How long a client may take to send its request.
            limit: For how many clients to wait at a time.
        """
        self.seconds = seconds
        self._limit = limit
        # What keeps a newcomer is its connection: nothing tells that a TLS handshake has failed.
        self._waiting: WeakValueDictionary[web.RequestHandler, Newcomer] = WeakValueDictionary()

    @property
    def are_too_many(self) -> bool:
        """Whether there is no place for another one."""
        return len(self._waiting) >= self._limit

    def expect(self, handler: web.RequestHandler) -> Newcomer:
        """Wait for the request of a new connection; return its protocol until then."""
        newcomer = self._waiting[handler] = Newcomer(handler, self)
        loop = asyncio.get_running_loop()
        newcomer.timer = loop.call_later(self.seconds, self._drop, ref(newcomer))
        return newcomer

    def let_in(self, handler: web.RequestHandler) -> None:
        """Take note that a client has asked for something."""
        if handler in self._waiting:
            self.forget(handler)
            if handler.transport is not None:
                handler.transport.set_protocol(handler)

    def forget(self, handler: web.RequestHandler) -> None:
        """Wait for a client no more."""
        if (newcomer := self._waiting.pop(handler, None)) is not None:
            newcomer.timer.cancel()

    def end(self) -> None:
        """Wait for nobody any more."""
        for handler in list(self._waiting):
            self.forget(handler)

    def _drop(self, reference: ref[Newcomer]) -> None:
        if (newcomer := reference()) is not None:
            self.forget(newcomer.handler)
            newcomer.drop()


class Newcomer(asyncio.Protocol):
    """The protocol of a connection until something was asked for: aiohttp's, and a bit more."""

    timer: asyncio.TimerHandle
    """Ends the waiting."""

    def __init__(self, handler: web.RequestHandler, newcomers: Newcomers) -> None:
        self.handler = handler
        self._newcomers = newcomers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.handler.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End; there is a place again."""
        self._newcomers.forget(self.handler)
        self.handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in a part of the request."""
        self.handler.data_received(data)

    def eof_received(self) -> None:
        """Take note that no more comes."""
        self.handler.eof_received()

    def pause_writing(self) -> None:
        """Have what is sent wait."""
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        """Go on sending."""
        self.handler.resume_writing()

    def drop(self) -> None:
        """Cut the connection off."""
        if self.handler.transport is None:
            return
        peer = self.handler.transport.get_extra_info("peername")
        seconds = self._newcomers.seconds
        logger.warning("%s was cut off: it asked for nothing within %s s", peer, seconds)
        self.handler.transport.abort()
