"""Who is let in by a server, and how many at a time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from anyio import CancelScope, Lock, create_task_group, fail_after

from .access import Access, AccessRequest, Authorize
from .channel import Channel
from .codes import GOING_AWAY, INTERNAL_ERROR, NOT_AUTHENTICATED
from .errors import AccessDeniedError, LimitReachedError, RefusedError

__all__ = ["Admission", "Doorkeeper"]

logger = logging.getLogger("ycore.server")


class Admission:
    """A client at the door, or inside: what it asks for, and what was decided last."""

    def __init__(self, request: AccessRequest) -> None:
        self.request = request
        self._access = Access.NONE
        self._refusal: RefusedError | None = None
        self._channel: Channel | None = None
        self._deciding: Lock | None = None

    async def decide(self, ask: Callable[[AccessRequest], Awaitable[Access]]) -> None:
        """Ask what the client may do; who asks later gets the later answer."""
        self._deciding = self._deciding or Lock()
        async with self._deciding:
            try:
                self._access, self._refusal = await ask(self.request), None
            except RefusedError as exc:
                self._access, self._refusal = Access.NONE, exc
            self._apply()

    def apply_to(self, channel: Channel) -> None:
        """Have a channel keep to what is decided, now and later."""
        self._channel = channel
        self._apply()

    async def until_decided(self) -> None:
        """Wait while somebody asks anew."""
        if self._deciding is not None:
            async with self._deciding:
                pass

    def grant(self, access: Access) -> None:
        """Decide it without asking anybody."""
        self._access = access

    def check(self) -> None:
        """Make sure that the client may enter.

        Raises:
            RefusedError: It may not.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._access is Access.NONE:
            raise _denial(self.request)

    def _apply(self) -> None:
        if self._channel is None:
            return
        if self._refusal is None:
            self._channel.grant(self._access)
        else:
            self._channel.turn_away(self._refusal)


class Doorkeeper:
    """Lets clients in, or not, and counts."""

    def __init__(
        self,
        check: Callable[[AccessRequest], None],
        authorize: Authorize | None,
        *,
        max_connections: int,
        patience: float,
    ) -> None:
        """Make a doorkeeper.

        Args:
            check: Raises what a wire has against a client, before anybody else is asked.
            authorize: Decides what a client may do; without it everybody may do everything.
            max_connections: How many may be inside or wait for a decision.
            patience: How long `authorize` may take, in seconds.
        """
        self.is_open = False
        """Whether anybody is let in."""
        self.admissions: set[Admission] = set()
        """Those who are inside, or wait for a decision."""
        self.refusals: Counter[str] = Counter()
        self._check = check
        self._authorize = authorize
        self._max_connections = max_connections
        self._patience = patience
        self._asking: set[CancelScope] = set()

    def open(self) -> None:
        """Let clients in from now on."""
        self.is_open = True

    def close(self) -> None:
        """Let nobody in any more, nor those for whom the decision is under way."""
        self.is_open = False
        for scope in self._asking:
            scope.cancel()

    async def admit(self, request: AccessRequest) -> Admission:
        """Decide what a client may do, and remember it until it is dismissed.

        Args:
            request: What it wants.

        Raises:
            LimitReachedError: All places are taken.
            RefusedError: It may not enter, or that could not be found out.
        """
        if len(self.admissions) >= self._max_connections:
            raise LimitReachedError(
                f"the server is full: {self._max_connections} connections", limit="max_connections"
            )
        self.check_open()
        self._check(request)
        admission = Admission(request)
        self.admissions.add(admission)
        try:
            await self._decide(admission)
        except BaseException:
            self.dismiss(admission)
            raise
        return admission

    def dismiss(self, admission: Admission) -> None:
        """Forget a client: it has left."""
        self.admissions.remove(admission)

    async def _decide(self, admission: Admission) -> None:
        if self._authorize is None:
            admission.grant(Access.READ_WRITE)
            return
        await admission.decide(self.ask)
        await admission.until_decided()
        admission.check()

    async def ask(self, request: AccessRequest) -> Access:
        """Ask what a client may do.

        Raises:
            RefusedError: It may not enter, or that could not be found out.
        """
        if self._authorize is None:
            return Access.READ_WRITE
        try:
            access = await self._ask_in_time(self._authorize, request)
        except RefusedError:
            raise
        except Exception as exc:
            logger.exception("%s: authorize failed for room %r", request.peer, request.room)
            raise RefusedError(
                "nobody can be let in now", kind="authorize failed", code=INTERNAL_ERROR
            ) from exc
        return access

    def check_open(self) -> None:
        """Make sure that the server is not about to end.

        Raises:
            RefusedError: It is.
        """
        if not self.is_open:
            raise RefusedError("the server is going away", kind="going away", code=GOING_AWAY)

    def note_refusal(self, peer: str, error: RefusedError) -> None:
        """Count and log that a client was not let in."""
        self.refusals[error.kind] += 1
        advice = f" (the option {error.kind})" if isinstance(error, LimitReachedError) else ""
        logger.warning("%s was refused: %s", peer, f"{error}{advice}")

    async def _ask_in_time(self, authorize: Authorize, request: AccessRequest) -> Access:
        outcome: object = RuntimeError("authorize was cancelled from inside")

        async def ask() -> None:
            nonlocal outcome
            try:
                outcome = await authorize(request)
            except Exception as exc:  # noqa: BLE001 - whoever asks raises it
                outcome = exc

        with fail_after(self._patience) as scope:
            self._asking.add(scope)
            try:
                # In a task of its own, which ends alone when something that it awaits, and others
                # too, is cancelled.
                async with create_task_group() as tasks:
                    tasks.start_soon(ask)
            finally:
                self._asking.discard(scope)
        if scope.cancelled_caught:
            self.check_open()
        if isinstance(outcome, Exception):
            raise outcome
        if not isinstance(outcome, Access):
            raise TypeError(f"authorize must return an Access, not {outcome!r}")
        return outcome


def _denial(request: AccessRequest) -> AccessDeniedError:
    """Return the error for a client that may do nothing: by whether it can be known at all."""
    if request.credentials.are_given:
        return AccessDeniedError()
    return AccessDeniedError("not authenticated", code=NOT_AUTHENTICATED)
