"""Well-behaved clients: they must not notice what happens beside them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pycrdt import Doc, Map, Text, XmlFragment

from tests.fuzz.corpus import content
from tests.fuzz.stage import PATIENCE, Stage
from ycore import ClientWire
from ycore.testing import until
from ycore.updates import decode_state_vector

__all__ = ["Crowd", "crowd", "is_usable"]

ROOTS: dict[str, type[Any]] = {"text": Text, "map": Map, "xml": XmlFragment}
"""What attackers write to, and to an array: pycrdt 0.14.13 reads for ever in one in which somebody
has put a string as if it were a text."""


class Crowd:
    """Somebody who is in a room all along, and those who drop in."""

    def __init__(self, stage: Stage, room: str, resident: ClientWire) -> None:
        self.resident = resident
        self._stage = stage
        self._room = room
        self._visits = 0

    async def check(self) -> None:
        """Check that what one writes reaches the other, and that both have the same."""
        self._visits += 1
        async with self._stage.connect(self._room, reconnect=False) as visitor:
            await self._write(self.resident, visitor)
            await self._write(visitor, self.resident)
            # All that was sent before has arrived now; to flush would repair what was left out.
            assert _clocks(self.resident.doc) == _clocks(visitor.doc)
            # What contradicts itself is read in one way by who has got it bit by bit, and in
            # another one by who has got it as a whole: so both are.
            whole: Doc[Any] = Doc()
            whole.apply_update(self.resident.doc.get_update())
            for name, kind in ROOTS.items():
                ours = _shown(whole.get(name, type=kind))
                theirs = _shown(visitor.doc.get(name, type=kind))
                # The keys of a map come in any order.
                assert sorted(ours) == sorted(theirs), (name, ours, theirs)

    async def _write(self, writer: ClientWire, reader: ClientWire) -> None:
        written, read = (client.doc.get("diary", type=Map) for client in (writer, reader))
        key = f"{self._visits} {writer.doc.client_id}"
        written[key] = self._visits
        await until(reader.doc, lambda: key in read, timeout=PATIENCE)


@asynccontextmanager
async def crowd(stage: Stage, room: str, *, is_filled: bool = False) -> AsyncIterator[Crowd]:
    """Give a room with somebody in it, who would not come back if they lost their connection."""
    doc: Doc[Any] = Doc()
    if is_filled:
        doc.apply_update(content())
    async with stage.connect(room, doc=doc, reconnect=False) as resident:
        yield Crowd(stage, room, resident)


def is_usable(doc: Doc[Any]) -> bool:
    """Whether a document can be read, written and told to others."""
    text = doc.get("diary of one", type=Text)
    text += "x"
    copy: Doc[Any] = Doc()
    copy.apply_update(doc.get_update())
    return str(copy.get("diary of one", type=Text)) == str(text)


def _shown(root: object) -> str:
    # A subdocument has another id in each document that it is in.
    return re.sub(r"Doc\(id: \d+", "Doc(", str(root))


def _clocks(doc: Doc[Any]) -> dict[int, int]:
    return decode_state_vector(doc.get_state())
