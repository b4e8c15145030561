"""A client's link to its server, over all its connections.

It connects and comes back, gives each connection its turns, and knows what has arrived.
"""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from random import uniform
from typing import Any, Protocol

from anyio import (
    CancelScope,
    ClosedResourceError,
    Event,
    current_time,
    move_on_after,
    sleep,
    sleep_forever,
)
from pycrdt import Awareness, Doc

from .channel import Channel
from .errors import (
    ConnectError,
    ConnectionRejectedError,
    ConnectTimeoutError,
    ReadOnlyError,
    UnsentEditsError,
)
from .limits import Limits
from .losses import CONNECTION_ERRORS, out_of_reach, why_lost
from .presence import LocalState, forget_departed
from .replica import Replica, Signal
from .status import Status, StatusBoard
from .tasks import background_tasks
from .uplink import Uplink

__all__ = ["Link", "Opener"]

logger = logging.getLogger("ycore.client")

FIRST_DELAY, LONGEST_DELAY = 0.1, 5.0
"""Before the first attempt to come back, and at most before any, in seconds."""


class Opener(Protocol):
    """What a link needs of a wire."""

    @property
    def id(self) -> str:
        """The room's id."""

    @property
    def address(self) -> str:
        """Where the server is."""

    def open(self) -> AbstractAsyncContextManager[Channel]:
        """Open a new connection."""


class Link:
    """A client's link to its server, over all its connections."""

    def __init__(
        self,
        wire: Opener,
        doc: Doc[Any],
        awareness: Awareness,
        *,
        limits: Limits,
        connect_timeout: float,
        reconnect: bool,
        auto_push: bool,
        auto_pull: bool,
    ) -> None:
        """Make a link; see `ClientOptions` for the options."""
        self._wire = wire
        self._awareness = awareness
        self._limits = limits
        self._connect_timeout = connect_timeout
        self._reconnect = reconnect
        self._auto_push = auto_push
        self._auto_pull = auto_pull
        self._signal = Signal()
        self._local = Replica(doc, self._signal, relay=False)
        # Without auto_pull, what arrives waits in a document of its own: bounded, and one update.
        self._remote = self._local if auto_pull else Replica(Doc(), self._signal, relay=False)
        self._local_state = LocalState(awareness)
        self._state_changed = False
        self.board = StatusBoard()
        """How the client stands to its server."""
        self._synchronized = Event()
        self._uplink: Uplink | None = None
        self._online = Event()
        self._over = Event()
        self._over.set()
        self._connecting: CancelScope | None = None
        self._entered = self._left = self._was_online = False
        self._push_wanted = False
        # Edits are counted by the messages that carried them.
        self._sent = self._arrived = 0
        self._sent_edits = 0
        """The last of them that carried an edit of the user's, not only what a server has lost."""

    @property
    def was_entered(self) -> bool:
        """Whether the link is used, or was."""
        return self._entered

    @property
    def synchronized(self) -> Event:
        """An event that is set while the document is in sync; fresh after each disconnection."""
        return self._synchronized

    async def flush(self) -> None:
        """Wait until the server has applied all that was edited (or pushed) before.

        Raises:
            ReadOnlyError: The server does not accept changes of this client.
            ClosedResourceError: There is no connection and will not be one again.
        """
        try:
            await self._flush()
        except ClosedResourceError:
            # Who waits inside the block is cancelled, and the reason comes out of the block.
            with move_on_after(self._limits.close_timeout):
                await self._over.wait()
            raise

    async def _flush(self) -> None:
        if not self._entered or self._left:
            raise ClosedResourceError
        asked: Uplink | None = None
        repeats = 0
        while self._has_unsent:
            await self._online.wait()
            if self._left:
                raise ClosedResourceError
            uplink = self._uplink
            if uplink is None:
                # It was lost again before this task got its turn.
                continue
            if uplink is not asked:
                asked, repeats = uplink, uplink.repeats
            if self._may_push:
                uplink.push(unasked=True)
            sent = self._sent
            if await uplink.round_trip():
                self._on_arrival(sent, uplink)
                # Some servers ask for what they do not accept again and again.
                is_vain = uplink.repeats > repeats + 1 and self._sent_edits > self._arrived
                if is_vain or self._are_edits_denied(uplink):
                    raise ReadOnlyError(
                        f"{self._wire.address} does not accept changes: {uplink.last_denial}"
                    )
            elif self._uplink is uplink:
                self._go_offline()

    def push(self) -> None:
        """Send the local changes now, or as soon as there is a connection."""
        if not (self._sent or self._local.is_empty):
            self._count_content()
        self._push_wanted = True
        self._push()

    def pull(self) -> None:
        """Apply what has arrived."""
        if self._remote is not self._local:
            self._local.merge(self._remote)
        if self._online.is_set():
            self._synchronized.set()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect, stay connected for the duration of the block, and send what is unsent.

        Raises:
            ConnectError: The server cannot be reached, or is lost for good.
            UnsentEditsError: What is unsent did not arrive in time.
        """
        self._entered = True
        self._over = Event()
        try:
            async with self._connected():
                yield
        finally:
            self._over.set()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        if self._auto_push and not self._local.is_empty:
            self._count_content()
        with self._observing():
            async with background_tasks() as tasks:
                tasks.start_soon(self._take_turns)
                tasks.start_soon(self._stay_connected)
                await tasks.start(self._awareness.start)
                await self._online.wait()
                if self._left:
                    # It could not connect: the error comes out of its task, which cancels this one.
                    await sleep_forever()
                try:
                    yield
                except BaseException:
                    await self._leave_after_a_failure()
                    raise
                await self._leave()

    @contextmanager
    def _observing(self) -> Iterator[None]:
        # It may have been set before.
        self._local_state.check()
        subscription = self._awareness.observe(self._on_awareness_event)
        try:
            with ExitStack() as observing:
                for replica in {self._local, self._remote}:
                    observing.enter_context(replica.observing())
                yield
        finally:
            self._awareness.unobserve(subscription)

    # Staying connected

    async def _stay_connected(self) -> None:
        attempt = -1
        try:
            while True:
                began = current_time()
                lost = await self._connect()
                if not (self._was_online and self._reconnect):
                    raise lost
                logger.warning("%s; trying again", lost)
                # Who is dropped at once each time does not come back all the time.
                lived = current_time() - began
                attempt = 0 if lived > LONGEST_DELAY else attempt + 1
                self._go_offline()
                await sleep(_delay(attempt))
        finally:
            self._left = True
            self._go_offline()
            self.board.end()
            self._online.set()

    async def _connect(self) -> ConnectError:
        """Connect and stay connected; return why it ended, if trying again may help.

        Raises:
            ConnectionRejectedError: The server refuses this client for good.
            MessageTooLargeError: This side or the server has a message over the limit.
        """
        self.board.post(Status.CONNECTING)
        self._connecting = CancelScope(deadline=current_time() + self._connect_timeout)
        uplink: Uplink | None = None
        try:
            with self._connecting as connecting:
                async with self._wire.open() as channel, background_tasks() as tasks:
                    uplink = self._uplink = self._make_uplink(channel)
                    tasks.start_soon(self._wait_on, uplink, connecting)
                    await uplink.run()
        except ConnectionRejectedError:
            raise
        except CONNECTION_ERRORS as exc:
            return out_of_reach(self._wire.address, exc)
        if uplink is None or connecting.cancelled_caught:
            return ConnectTimeoutError(
                f"{self._wire.address} did not answer within {self._connect_timeout} s"
            )
        return why_lost(uplink.channel, self._wire.address)

    async def _wait_on(self, uplink: Uplink, connecting: CancelScope) -> None:
        """Give the server more time whenever some of its content has come or has been checked."""
        progress = uplink.progress
        while connecting.deadline < math.inf:
            await sleep(self._connect_timeout / 10)
            if progress != uplink.progress and connecting.deadline < math.inf:
                progress = uplink.progress
                connecting.deadline = current_time() + self._connect_timeout

    def _make_uplink(self, channel: Channel) -> Uplink:
        channel.limits = self._limits
        return Uplink(
            channel,
            self._local,
            self._remote,
            self._awareness,
            self._local_state,
            on_push=self._on_push,
            on_synchronized=self._go_online,
            on_asked_again=self._push_again,
        )

    def _go_online(self) -> None:
        assert self._connecting is not None
        self._connecting.deadline = math.inf
        self._was_online = True
        self.board.post(Status.CONNECTED)
        self._online.set()
        if self._auto_pull:
            self._synchronized.set()
        logger.info("%s: connected to room %r", self._wire.address, self._wire.id)

    def _go_offline(self) -> None:
        self._uplink = None
        self.board.post(Status.DISCONNECTED)
        if self._sent != self._arrived:
            # What was pushed but may not have arrived is pushed again.
            self._push_wanted = True
        # Whoever waits already goes on waiting.
        if self._online.is_set():
            self._online = Event()
        if self._synchronized.is_set():
            self._synchronized = Event()
        others = [
            client for client in self._awareness.states if client != self._awareness.client_id
        ]
        self._awareness.remove_awareness_states(others, "disconnected")
        # The server tells them anew, and with the clocks that were known already; or another one
        # does, which does not know who has a lower clock than the one before.
        forget_departed(self._awareness, kept=0)

    # Turns

    async def _take_turns(self) -> None:
        while True:
            await self._signal.wait()
            if self._remote.apply() and not self._auto_pull and self._synchronized.is_set():
                self._synchronized = Event()
            self._remote.run_deferred()
            self._push()
            if self._state_changed and self._uplink is not None:
                self._state_changed = False
                self._uplink.announce()

    def _push(self) -> None:
        if self._uplink is not None and self._may_push:
            self._uplink.push()
            if self._uplink.has_answered:
                self._push_wanted = False

    def _push_again(self) -> None:
        # What was not accepted had been pushed.
        self._push_wanted = True
        self._signal.set()

    def _count_content(self) -> None:
        """Take note that what the document brings is unsent like an edit."""
        self._sent += 1
        self._sent_edits = self._sent

    def _on_push(self, *, again: bool, in_vain: bool = False) -> None:
        if in_vain and self._sent_edits <= self._arrived:
            return
        self._sent += 1
        # What is sent again carries the edits that have not arrived, too.
        if not again or self._sent_edits > self._arrived:
            self._sent_edits = self._sent
        uplink = self._uplink
        if again and not in_vain and uplink is not None:
            # Nobody has edited and so nobody flushes: find out by ourselves that it has arrived.
            uplink.confirm(partial(self._on_arrival, self._sent, uplink))

    def _on_arrival(self, sent: int, uplink: Uplink) -> None:
        if not self._are_edits_denied(uplink):
            self._arrived = max(self._arrived, sent)

    def _are_edits_denied(self, uplink: Uplink) -> bool:
        """Whether a server that does not accept changes lacks some of this user's."""
        return uplink.denied is not None and self._sent_edits > self._arrived

    @property
    def _has_unsent(self) -> bool:
        if self._sent != self._arrived:
            return True
        return self._may_push and (self._local.has_change or self._is_unasked)

    @property
    def _may_push(self) -> bool:
        return self._auto_push or self._push_wanted

    @property
    def _is_unasked(self) -> bool:
        """Whether the server has not said yet which part of the document it lacks."""
        uplink = self._uplink
        return uplink is not None and not uplink.has_answered and not self._local.is_empty

    def _on_awareness_event(self, topic: str, event: tuple[dict[str, Any], Any]) -> None:
        if topic == "update" and event[1] == "local":
            self._local_state.check()
            self._state_changed = True
            self._signal.set()

    # Leaving

    async def _leave(self) -> None:
        """Send what is unsent.

        Raises:
            UnsentEditsError: It did not arrive in time.
        """
        if not self._has_unsent:
            return
        reason: ReadOnlyError | None = None
        with move_on_after(self._limits.close_timeout, shield=True):
            try:
                await self._flush()
            except ReadOnlyError as exc:
                reason = exc
            except ClosedResourceError:
                pass
        if self._has_unsent:
            error = UnsentEditsError(
                f"the last edits of room {self._wire.id!r} did not arrive at {self._wire.address}"
            )
            if not self._left:
                raise error from reason
            # The connection is lost for good: the reason of that comes out of its task.
            _log_loss(error)

    async def _leave_after_a_failure(self) -> None:
        try:
            await self._leave()
        except UnsentEditsError as exc:
            _log_loss(exc)


def _log_loss(error: UnsentEditsError) -> None:
    logger.warning("left with edits that are lost: %s", error)


def _delay(attempt: int) -> float:
    """Return how long to wait, with full jitter: a thousand clients do not come back at once."""
    return uniform(0, min(FIRST_DELAY * 2 ** min(attempt, 16), LONGEST_DELAY))
