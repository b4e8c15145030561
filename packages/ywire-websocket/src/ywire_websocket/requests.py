"""What an HTTP request tells of a client, and the answers that refuse one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ycore import Credentials, RefusedError, codes

__all__ = ["INTERNAL_SERVER_ERROR", "credentials_of", "headers_of", "status_of"]

BEARER = "bearer "

UNAUTHORIZED, FORBIDDEN, INTERNAL_SERVER_ERROR, UNAVAILABLE = 401, 403, 500, 503

RETRY_AFTER = "5"
"""When a client may come back, in seconds."""


def credentials_of(
    headers: Mapping[str, str],
    cookies: Mapping[str, str],
    query: Mapping[str, str],
    certificate: Mapping[str, Any] | None = None,
) -> Credentials:
    """Return what a client shows of itself in its request."""
    return Credentials(
        token=_bearer(headers.get("Authorization", "")) or query.get("token"),
        certificate=certificate,
        headers=headers,
        cookies=cookies,
        query=query,
    )


def status_of(refusal: RefusedError) -> int:
    """Return the HTTP status that says the same as a close code."""
    if refusal.code == codes.NOT_AUTHENTICATED:
        return UNAUTHORIZED
    if codes.is_permanent(refusal.code):
        return FORBIDDEN
    return INTERNAL_SERVER_ERROR if refusal.code == codes.INTERNAL_ERROR else UNAVAILABLE


def headers_of(refusal: RefusedError) -> dict[str, str]:
    """Return the headers of an answer that refuses a client."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if status_of(refusal) == UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status_of(refusal) >= INTERNAL_SERVER_ERROR:
        headers["Retry-After"] = RETRY_AFTER
    return headers


def _bearer(authorization: str) -> str | None:
    """Return the token of an `Authorization` header (RFC 6750, section 2.1)."""
    if authorization[: len(BEARER)].lower() != BEARER:
        return None
    return authorization[len(BEARER) :].strip()
