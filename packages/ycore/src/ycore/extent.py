"""How far an update reaches, what it builds on, and which part of it leaves no gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from .lib0 import encode_uint

__all__ = ["EMPTY_UPDATE", "Clocks", "Extent", "Section", "exceeds", "sound_part"]

EMPTY_UPDATE = b"\x00\x00"
"""An update that holds nothing."""

Clocks = Mapping[int, int]
"""A clock for each client."""


class Section(NamedTuple):
    """The structs of one client in an update, up to the first gap among them."""

    client: int
    clock: int
    """Where the first struct begins."""

    end: int
    """The clock behind the last of them."""

    structs: int
    start: int
    """Where their bytes begin in the update."""

    stop: int


class Extent(NamedTuple):
    """How far an update reaches, and what it builds on."""

    ends: Clocks
    """For each client the highest clock that a struct (a gap is none) or a deletion ends at. A
    document whose state vector reaches it lacks nothing of the update but, possibly, deletions."""

    needs: Clocks = MappingProxyType({})
    """For each client how far a document must have come, lest the update leave a gap in it."""

    is_certain: bool = False
    """Whether a document that has what the update needs will have its ends too, at once."""

    sections: Sequence[Section] = ()
    """None for a keystroke."""

    deletions: int = 0
    """Where the deletions begin."""


def exceeds(clocks: Clocks, known: Clocks) -> bool:
    """Whether one of some clocks is beyond the known one."""
    return any(clock > known.get(client, 0) for client, clock in clocks.items())


def sound_part(update: bytes, extent: Extent, known: Clocks) -> tuple[bytes, Extent]:
    """Return the part of an update that leaves no gap in a document with a known state."""
    sections = [
        section
        for section in extent.sections
        if section.end > section.clock <= known.get(section.client, 0)
    ]
    if not extent.sections:
        # A keystroke, whole.
        return EMPTY_UPDATE, Extent({})
    parts = [encode_uint(len(sections))]
    for section in sections:
        parts += map(encode_uint, (section.structs, section.client, section.clock))
        parts.append(update[section.start : section.stop])
    parts.append(update[extent.deletions :])
    return b"".join(parts), Extent({section.client: section.end for section in sections})
