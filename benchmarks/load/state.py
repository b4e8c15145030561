"""How much of each client's changes a document has."""

from __future__ import annotations

from typing import Any

from pycrdt import Doc

__all__ = ["clocks_of"]


def clocks_of(doc: Doc[Any]) -> dict[int, int]:
    """Return the state vector of a document: so much of each client, without a gap."""
    numbers = _numbers(doc.get_state())
    return dict(zip(numbers[1::2], numbers[2::2], strict=True))


def _numbers(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(number)
            number = shift = 0
    return numbers
