"""A websocket that an ASGI server holds, as a channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Lock,
    move_on_after,
)

from ycore import Channel, Credentials, MessageTooLargeError, ProtocolError

__all__ = ["AsgiChannel", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

UNSUPPORTED_DATA, NO_CODE, ABNORMAL_CLOSURE = 1003, 1005, 1006


class AsgiChannel(Channel):
    """A websocket that an ASGI server has accepted (ASGI specification, "WebSocket").

    ASGI has no way to write without waiting, so `send_nowait` is the base class's.
    """

    def __init__(
        self,
        id: str,  # noqa: A002
        receive: Receive,
        send: Send,
        peer: str,
        cut: Callable[[], None],
        credentials: Credentials,
    ) -> None:
        """Make a channel.

        Args:
            id: The room's id.
            receive: Gives the next event.
            send: Takes an event.
            peer: Who is at the other end.
            cut: Ends the application's call: ASGI has no other way to have the server drop the
                connection of a peer that does not read.
            credentials: What the peer shows of itself.
        """
        super().__init__(id, peer=peer, credentials=credentials)
        self._next_event = receive
        self._pass_event = send
        self._cut = cut
        # An ASGI server need not take two events at a time.
        self._sending = Lock()
        self._waiting: set[CancelScope] = set()
        self._is_closed = False
        self._is_lost = False
        """Whether nothing can be sent any more."""
        self._has_ended = False
        """Whether nothing can be received any more."""

    async def send(self, message: bytes) -> None:
        """Send a message; see `Channel.send`."""
        self._check(message)
        with self._ended_by_close():
            async with self._sending:
                self._check(message)
                await self._pass({"type": "websocket.send", "bytes": message})

    async def receive(self) -> bytes:
        """Wait for a message; see `Channel.receive`."""
        if self._is_closed:
            raise ClosedResourceError
        if self._has_ended:
            raise self._ended()
        # What came before the end is still to be had, also when nothing can be sent any more.
        with self._ended_by_close():
            event = await self._next_event()
        if self._is_closed:
            raise ClosedResourceError
        if event["type"] == "websocket.disconnect":
            self._note_end(event)
            raise self._ended()
        return self._check_received(event)

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close the websocket; see `Channel.aclose`."""
        if self._is_closed:
            return
        self._is_closed = True
        is_clean = False
        try:
            with move_on_after(self.limits.close_timeout):
                async with self._sending:
                    await self._say_goodbye(code, reason)
                is_clean = True
        finally:
            for scope in self._waiting:
                scope.cancel()
            if not is_clean:
                self._cut()

    async def _say_goodbye(self, code: int, reason: str) -> None:
        if not self._is_lost:
            with suppress(BrokenResourceError):
                await self._pass({"type": "websocket.close", "code": code, "reason": reason})

    async def _pass(self, event: Event) -> None:
        """Pass an event to the server."""
        try:
            await self._pass_event(event)
        except (OSError, RuntimeError) as exc:
            # The specification's answer to a send after the end, and that of some servers.
            self._is_lost = True
            raise BrokenResourceError from exc
        except BaseException:
            # Cancelled: nobody knows how much of it was sent.
            self._is_lost = True
            self._cut()
            raise

    @contextmanager
    def _ended_by_close(self) -> Iterator[None]:
        with CancelScope() as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)
        if scope.cancelled_caught:
            raise ClosedResourceError

    def _check(self, message: bytes) -> None:
        if self._is_closed:
            raise ClosedResourceError
        if self._is_lost:
            raise BrokenResourceError
        self._check_size(message)

    def _check_size(self, message: bytes) -> None:
        if len(message) > self.limits.max_message_size:
            raise MessageTooLargeError(len(message), self.limits.max_message_size)

    def _check_received(self, event: Event) -> bytes:
        message: bytes | None = event.get("bytes")
        if message is None:
            raise ProtocolError("a text frame: the Yjs protocol is binary", code=UNSUPPORTED_DATA)
        self._check_size(message)
        return message

    def _note_end(self, event: Event) -> None:
        self._is_lost = self._has_ended = True
        code = event.get("code") or NO_CODE
        if code != ABNORMAL_CLOSURE:
            self.close_code, self.close_reason = code, event.get("reason") or ""

    def _ended(self) -> Exception:
        return EndOfStream() if self.close_code is not None else BrokenResourceError()
