"""A room with one writer, and readers who wait for what it writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat

from benchmarks.load.client import Client
from benchmarks.load.content import Author, Edit
from benchmarks.load.crowd import Crowd, wait_for

__all__ = ["ROOM", "Room", "fill", "open_rooms"]

ROOM = "room"


@dataclass(frozen=True)
class Room:
    """Clients in one room, who have received a first edit: the probe."""

    author: Author
    writer: Client
    readers: Sequence[Client]
    probe: Edit

    def expecting(self, edit: Edit) -> Iterable[tuple[Client, bytes]]:
        """Return the readers, each with the marker of an edit, for `wait_for`."""
        return zip(self.readers, repeat(edit.marker))


async def open_rooms(crowd: Crowd, names: Sequence[str], readers: int) -> list[Room]:
    """Let clients join rooms, and see that what a writer sends gets to all readers of its room.

    Args:
        crowd: The clients.
        names: The names of the rooms.
        readers: How many readers each has.
    """
    prefixes = ["" if len(names) == 1 else f"{name}'s " for name in names]
    # Some servers make two rooms of a name that several ask for at once: that is not the subject.
    writers = await crowd.join(
        (f"{prefix}writer", name) for prefix, name in zip(prefixes, names, strict=True)
    )
    joined = await crowd.join(
        (f"{prefix}reader {number}", name)
        for prefix, name in zip(prefixes, names, strict=True)
        for number in range(1, readers + 1)
    )
    rooms = [
        _open(writer, joined[number * readers : (number + 1) * readers])
        for number, writer in enumerate(writers)
    ]
    await wait_for(pair for room in rooms for pair in room.expecting(room.probe))
    return rooms


def _open(writer: Client, readers: Sequence[Client]) -> Room:
    author = Author()
    probe = author.type("x", marked=True)
    writer.send(writer.frame(probe.message))
    return Room(author, writer, readers, probe)


async def fill(room: Room, edits: Sequence[Edit]) -> None:
    """Send edits that end with a marker, and wait until the first reader has them."""
    for edit in edits:
        room.writer.send(room.writer.frame(edit.message))
    await wait_for([(room.readers[0], edits[-1].marker)])
