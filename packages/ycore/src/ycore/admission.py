"""Who is let in by a server, and how many at a time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from anyio import CancelScope, fail_after

from .access import Access, AccessRequest, Authorize
from .errors import NOT_AUTHENTICATED, AccessDeniedError, LimitReachedError, RefusedError

__all__ = ["Admission", "Doorkeeper"]

logger = logging.getLogger("ycore.server")

GOING_AWAY, INTERNAL_ERROR = 1001, 1011


class Admission:
    """A client that was let in: what it asked for, and what it was granted."""

    def __init__(self, request: AccessRequest, access: Access, reviews: int) -> None:
        self.request = request
        self.access = access
        self.reviews = reviews
        """How many reviews there had been when it was decided."""


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
        self.admitted = 0
        """So many were let in so far."""
        self.refusals: Counter[str] = Counter()
        self.reviews = 0
        """How often decisions were to be taken anew."""
        self._check = check
        self._authorize = authorize
        self._max_connections = max_connections
        self._patience = patience
        self._inside = 0
        self._asking: set[CancelScope] = set()

    def open(self) -> None:
        """Let clients in from now on."""
        self.is_open = True

    def close(self) -> None:
        """Let nobody in any more, nor those for whom the decision is under way."""
        self.is_open = False
        for scope in self._asking:
            scope.cancel()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places for the duration of the block.

        Raises:
            LimitReachedError: All are taken.
        """
        if self._inside >= self._max_connections:
            raise LimitReachedError(
                f"the server is full: {self._max_connections} connections", limit="max_connections"
            )
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def admit(self, request: AccessRequest) -> Admission:
        """Decide what a client may do.

        Args:
            request: What it wants.

        Returns:
            What it is granted.

        Raises:
            RefusedError: It may not enter, or that could not be found out.
        """
        self.check_open()
        self._check(request)
        reviews = self.reviews
        access = await self.ask(request)
        if access is Access.NONE:
            raise denial(request)
        self.admitted += 1
        return Admission(request, access, reviews)

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
        access: object = None
        with fail_after(self._patience) as scope:
            self._asking.add(scope)
            try:
                access = await authorize(request)
            finally:
                self._asking.discard(scope)
        if scope.cancelled_caught:
            self.check_open()
        if not isinstance(access, Access):
            raise TypeError(f"authorize must return an Access, not {access!r}")
        return access


def denial(request: AccessRequest) -> AccessDeniedError:
    """Return the error for a client that may do nothing: by whether it can be known at all."""
    if request.credentials.are_given:
        return AccessDeniedError()
    return AccessDeniedError("not authenticated", code=NOT_AUTHENTICATED)
