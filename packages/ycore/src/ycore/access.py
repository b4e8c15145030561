"""Who wants to enter a room, and what they may do there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

__all__ = ["Access", "AccessRequest", "Authorize", "Credentials"]


class Access(StrEnum):
    """What a client may do in a room."""

    NONE = "none"
    """It may not enter."""

    READ = "read"
    """It receives everything and may be seen, but its changes are dropped, and it is told so."""

    READ_WRITE = "read and write"
    """It may do everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client shows of itself; what a wire does not have is empty.

    Its representation names what is there, but not the content, which must not get into logs.
    """

    token: str | None = None
    """What the client gave as `token`; a browser gives it as `?token=` in the URL."""

    key: str | None = None
    """The public CURVE key of the client, in Z85: who shows it has the secret one (zmq)."""

    certificate: Mapping[str, Any] | None = None
    """The client's certificate, as of `ssl.SSLSocket.getpeercert`, if it was verified."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers of the HTTP request; names in any case."""

    cookies: Mapping[str, str] = field(default_factory=dict)
    """The cookies of the HTTP request."""

    query: Mapping[str, str] = field(default_factory=dict)
    """The query of the URL."""

    @property
    def are_given(self) -> bool:
        """Whether there is anything by which the client could be known."""
        known = self.token or self.key or self.certificate or self.cookies
        return bool(known) or "Authorization" in self.headers

    def __repr__(self) -> str:
        given = [each.name for each in fields(self) if getattr(self, each.name)]
        return f"<Credentials: {', '.join(given) or 'none'}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """A client wants to enter a room."""

    room: str
    """The id of the room, which need not exist."""

    wire: str
    """The name of the wire."""

    peer: str
    """The address of the client, as in log lines."""

    credentials: Credentials = Credentials()
    """What the client shows of itself."""


Authorize = Callable[[AccessRequest], Awaitable[Access]]
"""Decides what a client may do."""
