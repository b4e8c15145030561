"""How the cost of our own server grows, with one size at a time."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from typing import Any

__all__ = ["CURVES", "Curve"]

_OTHER_FILES = 100


@dataclass(frozen=True)
class Curve:
    """A scenario at several sizes."""

    title: str
    scenario: str
    axis: str
    """The option that grows."""

    steps: tuple[dict[str, Any], ...]
    """The options at each size."""


def _most_rooms() -> int:
    """Return how many rooms of two there can be: each client is a file, here as in the server."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - _OTHER_FILES) // 2


def _rooms(count: int) -> dict[str, Any]:
    # As many edits in all, however many rooms they are in, and at least one in each.
    per_second = min(100.0, 500 / count)
    return {"rooms": count, "per_second": per_second, "seconds": max(4.0, 1 / per_second)}


CURVES: dict[str, Curve] = {
    "readers": Curve(
        "Size: readers of a flood",
        "flood",
        "readers",
        tuple({"readers": count, "edits": 500} for count in (10, 100, 1_000)),
    ),
    "document": Curve(
        "Size: the document that is joined, by edits that it is made of",
        "joiners",
        "document",
        tuple({"document": n, "joiners": 20} for n in (1_000, 10_000, 100_000, 1_000_000)),
    ),
    "typing": Curve(
        "Size: the document that is typed in, by edits that it is made of",
        "flood",
        "document",
        tuple(
            {"document": n, "readers": 9, "edits": 1_000}
            for n in (1_000, 10_000, 100_000, 1_000_000)
        ),
    ),
    "rooms": Curve(
        "Size: rooms of two, with 500 edits/s in all, at most 100 in one",
        "rooms",
        "rooms",
        tuple(_rooms(min(count, _most_rooms())) for count in (1, 10, 100, 1_000, 10_000)),
    ),
}
"""What can grow, by name."""
