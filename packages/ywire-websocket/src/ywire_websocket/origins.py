"""From which web pages a browser may connect.

A browser sends the cookies of a server with every websocket to it, whatever page opens it, and so
a password of HTTP or a certificate that its user has given it; and it tells the page's origin (RFC
6454). Servers have to look at it, for nobody else does.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from ycore import AccessDeniedError, Credentials

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
            origins: Those that may connect. With None all may, but a browser that sends cookies,
                a password or a certificate must come from a page of the server itself.

        Raises:
            ValueError: One of them is no origin.
        """
        given = [origins] if isinstance(origins, str) else origins
        self._allowed = None if given is None else {_normalize(each) for each in given}

    def check(self, credentials: Credentials) -> None:
        """Look at what a request shows.

        Args:
            credentials: What it shows.

        Raises:
            AccessDeniedError: It comes from a page that may not connect.
        """
        origin = credentials.headers.get("Origin")
        if origin is None or self._is_allowed(origin, credentials):
            return
        raise AccessDeniedError(
            f"pages of {origin[:100]!r} may not connect (the option origins)", kind="origins"
        )

    def _is_allowed(self, origin: str, credentials: Credentials) -> bool:
        if self._allowed is not None:
            return ANY in self._allowed or origin.lower() in self._allowed
        if not _are_sent_by_itself(credentials):
            return True
        return _is_same(origin, credentials.headers.get("Host", ""))


def _are_sent_by_itself(credentials: Credentials) -> bool:
    """Whether a request shows what a browser sends along without the page's doing."""
    headers = credentials.headers
    return "Cookie" in headers or "Authorization" in headers or bool(credentials.certificate)


def _normalize(origin: str) -> str:
    if origin == ANY:
        return ANY
    parts = urlsplit(origin.lower())
    is_more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if not (parts.scheme and parts.netloc) or is_more or not origin.isascii():
        raise ValueError(f"origins are like https://example.org, or '*', not {origin!r}")
    # A browser does not name the port that is the default.
    return f"{parts.scheme}://{parts.netloc.removesuffix(DEFAULT_PORTS.get(parts.scheme, ''))}"


def _is_same(origin: str, host: str) -> bool:
    """Whether a page is of the host that is asked."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return False
    port = DEFAULT_PORTS.get(parts.scheme, "")
    return parts.netloc.removesuffix(port) == host.lower().removesuffix(port) != ""
