"""How far an update reaches, what it builds on, and its parts: the runs without a gap in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from .lib0 import encode_uint

__all__ = ["EMPTY_UPDATE", "NO_DELETIONS", "Clocks", "Extent", "Run", "exceeds", "join"]

EMPTY_UPDATE = b"\x00\x00"
"""An update that holds nothing."""

NO_DELETIONS = b"\x00"

Clocks = Mapping[int, int]
"""A clock for each client."""


class Run(NamedTuple):
    """Structs of one client that follow each other without a gap."""

    client: int
    clock: int
    """Where the first one begins."""

    end: int
    """The clock behind the last one."""

    structs: int
    start: int
    """Where their bytes begin in the update."""

    stop: int


class Extent(NamedTuple):
    """How far an update reaches, and what it builds on."""

    ends: Clocks
    """For each client the highest clock that a struct (a gap is none) or a deletion ends at. A
    document whose state vector reaches it lacks nothing of the update but, possibly, deletions."""

    runs: Sequence[Run] = ()
    """Its structs; of each client in order."""

    deletions: int = 0
    """Where the deletions begin; 0 if there are none."""

    neighbours: Clocks | None = None
    """How far a document must have come lest pycrdt put the structs off. It is not looked for in
    large updates, nor in those of several clients."""

    has_pairs: bool = False
    """Whether there are characters in it that count twice, as JavaScript counts."""


def exceeds(clocks: Clocks, known: Clocks) -> bool:
    """Whether one of some clocks is beyond the known one."""
    return any(clock > known.get(client, 0) for client, clock in clocks.items())


def join(
    update: bytes, runs: Collection[Run], deletions: bytes = NO_DELETIONS
) -> tuple[bytes, list[Run]]:
    """Make an update of some runs of another one, each of another client.

    Args:
        update: The other update.
        runs: What to take from it.
        deletions: The deletions, encoded.

    Returns:
        The update, and where the runs are in it.
    """
    joined = bytearray(encode_uint(len(runs)))
    moved = []
    for run in runs:
        for number in (run.structs, run.client, run.clock):
            joined += encode_uint(number)
        start = len(joined)
        joined += update[run.start : run.stop]
        moved.append(run._replace(start=start, stop=len(joined)))
    return bytes(joined + deletions), moved
