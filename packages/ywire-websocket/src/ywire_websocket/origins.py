"""From which web pages a browser may connect.

A browser sends the cookies of a server with every websocket to it, whatever page opens it, and
tells the page's origin (RFC 6454). Servers have to look at it, for nobody else does.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from ycore import AccessDeniedError

__all__ = ["OriginCheck", "Origins"]

Origins = str | Collection[str] | None
"""Origins such as "https://example.org", or "*" for all of them."""

ANY = "*"

DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class OriginCheck:
    """Refuses browsers that come from the wrong page."""

    def __init__(self, origins: Origins) -> None:
        """Make a check.

        Args:
            origins: Those that may connect. With None all may, but one that sends cookies must
                come from a page of the server itself.

        Raises:
            ValueError: One of them is no origin.
        """
        given = [origins] if isinstance(origins, str) else origins
        self._allowed = None if given is None else {_normalize(each) for each in given}

    def check(self, headers: Mapping[str, str]) -> None:
        """Look at the headers of a request.

        Args:
            headers: The headers; names in any case.

        Raises:
            AccessDeniedError: It comes from a page that may not connect.
        """
        origin = headers.get("Origin")
        if origin is None or self._is_allowed(origin, headers):
            return
        raise AccessDeniedError(
            f"pages of {origin[:100]!r} may not connect (the option origins)", kind="origins"
        )

    def _is_allowed(self, origin: str, headers: Mapping[str, str]) -> bool:
        if self._allowed is not None:
            return ANY in self._allowed or origin.lower() in self._allowed
        return "Cookie" not in headers or _is_same(origin, headers.get("Host", ""))


def _normalize(origin: str) -> str:
    parts = urlsplit(origin)
    if origin != ANY and (not (parts.scheme and parts.netloc) or parts.path.strip("/")):
        raise ValueError(f"origins are like https://example.org, or '*', not {origin!r}")
    return origin.rstrip("/").lower()


def _is_same(origin: str, host: str) -> bool:
    """Whether a page is of the host that is asked."""
    parts = urlsplit(origin.lower())
    port = DEFAULT_PORTS.get(parts.scheme, "")
    return parts.netloc.removesuffix(port) == host.lower().removesuffix(port) != ""
