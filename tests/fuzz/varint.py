"""Numbers as lib0 writes them (LEB128), the impossible ones included."""

from __future__ import annotations

__all__ = ["BOUNDARIES", "var_bytes", "var_uint"]

BOUNDARIES = tuple(
    power + offset
    for power in (2**7, 2**14, 2**31, 2**32, 2**53, 2**60, 2**63, 2**64)
    for offset in (-1, 0)
)
"""Numbers at which something ends: a byte, a signed or unsigned integer, what a float holds."""


def var_uint(number: int) -> bytes:
    """Return a number in bytes."""
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes((*encoded, number))


def var_bytes(data: bytes) -> bytes:
    """Return bytes after their number."""
    return var_uint(len(data)) + data
