"""Close codes (RFC 6455, section 7.4; from 4400 on this project's own), and their reasons."""

from __future__ import annotations

__all__ = [
    "FORBIDDEN",
    "GOING_AWAY",
    "INTERNAL_ERROR",
    "INVALID_DATA",
    "MESSAGE_TOO_BIG",
    "NORMAL",
    "NOT_AUTHENTICATED",
    "POLICY_VIOLATION",
    "SERVICE_RESTART",
    "TRY_AGAIN_LATER",
    "is_permanent",
    "shorten",
]

NORMAL, GOING_AWAY = 1000, 1001
INVALID_DATA, POLICY_VIOLATION, MESSAGE_TOO_BIG = 1007, 1008, 1009
INTERNAL_ERROR, SERVICE_RESTART, TRY_AGAIN_LATER = 1011, 1012, 1013
NOT_AUTHENTICATED, FORBIDDEN = 4401, 4403

REASON_SIZE = 123
"""What a close frame holds besides the code, in bytes (RFC 6455, section 5.5)."""


def is_permanent(code: int) -> bool:
    """Whether a code means that trying again would not help."""
    return 4400 <= code <= 4499 or code in (INVALID_DATA, MESSAGE_TOO_BIG)


def shorten(reason: str) -> str:
    """Cut a reason to what a close frame holds."""
    return reason.encode()[:REASON_SIZE].decode(errors="ignore")
