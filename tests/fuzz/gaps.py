"""Updates that arrive before what they build on: whoever is there has all of it in the end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, NamedTuple

from pycrdt import Doc, Text, TransactionEvent, merge_updates

from tests.fuzz.attack import Attacker, attacking
from tests.fuzz.hostile import section, string, update
from tests.fuzz.scenes import among_others
from tests.fuzz.stage import PATIENCE, Stage
from ycore import ClientWire
from ycore.protocol import encode_update
from ycore.testing import until

__all__ = [
    "GAPS",
    "filled_by_another",
    "filled_by_the_sender",
    "filled_by_who_has_both",
    "left_by_those_who_are_thrown_out",
]


GARBAGE = b"\x7f"

_NUMBERS = count()


class Gap(NamedTuple):
    """Two updates of which the second builds on the first."""

    first: bytes
    second: bytes
    text: str
    """What the text is once both are there."""


async def filled_by_the_sender(stage: Stage, name: str) -> None:
    """The messages of one client arrive in the wrong order."""
    gap, room = GAPS[name], _fresh_room()
    async with among_others(stage, room=room) as company, attacking(stage.connect(room)) as ann:
        await _send(ann, gap.second)
        # What is behind a gap is seen by everybody or by nobody.
        await company.check()
        async with stage.connect(room, reconnect=False) as bob:
            await _send(ann, gap.first)
            for reader in (company.resident, bob):
                await _has_read(reader, gap.text)


async def filled_by_another(stage: Stage, name: str, sender_leaves: bool) -> None:
    """Somebody else has the first update, while its writer is there or after they have left."""
    gap, room = GAPS[name], _fresh_room()
    async with among_others(stage, room=room) as company, attacking(stage.connect(room)) as ann:
        await _send(ann, gap.second)
        if sender_leaves:
            await ann.leave()
        async with (
            stage.connect(room, reconnect=False) as bob,
            stage.connect(room, doc=_document(gap.first), reconnect=False) as carol,
        ):
            for reader in (company.resident, bob, carol):
                await _has_read(reader, gap.text)


async def filled_by_who_has_both(stage: Stage, name: str) -> None:
    """The sender leaves; then somebody comes who has everything."""
    gap, room = GAPS[name], _fresh_room()
    async with among_others(stage, room=room) as company, attacking(stage.connect(room)) as ann:
        await _send(ann, gap.second)
        await ann.leave()
        async with (
            stage.connect(room, reconnect=False) as bob,
            stage.connect(room, doc=_document(gap.first, gap.second), reconnect=False),
        ):
            for reader in (company.resident, bob):
                await _has_read(reader, gap.text)


async def left_by_those_who_are_thrown_out(stage: Stage, times: int) -> None:
    """What is received is applied in the next turn, when its sender may be gone.

    They would be asked for what is missing, the second time after a while.
    """
    room = _fresh_room()
    async with among_others(stage, room=room), attacking(stage.connect(room)) as ann:
        for number in range(times):
            await _send(ann, update(section(string("a"), client=number, clock=1)))
            second = encode_update(update(section(string("a"), client=number, clock=2)))
            assert await ann.send(second + GARBAGE) == 1002


def _fresh_room() -> str:
    """Return the id of a room in which nothing was written: one of before may not be closed yet."""
    return f"room {next(_NUMBERS)}"


async def _send(attacker: Attacker, content: bytes) -> None:
    assert await attacker.send(encode_update(content)) is None


async def _has_read(reader: ClientWire, written: str) -> None:
    text = _text(reader.doc)
    await until(reader.doc, lambda: str(text) == written, timeout=PATIENCE)


def _document(*updates: bytes) -> Doc[Any]:
    doc: Doc[Any] = Doc()
    for each in updates:
        doc.apply_update(each)
    return doc


def _history(*edits: Callable[[Doc[Any]], object]) -> tuple[list[bytes], str]:
    """Return the updates of some edits, each in a transaction of its own, and what they make."""
    doc: Doc[Any] = Doc(client_id=1)
    updates: list[bytes] = []

    def keep(event: TransactionEvent) -> None:
        updates.append(event.update)

    subscription = doc.observe(keep)
    for edit in edits:
        with doc.transaction():
            edit(doc)
    doc.unobserve(subscription)
    return updates, str(_text(doc))


def _text(doc: Doc[Any], name: str = "text") -> Text:
    text: Text = doc.get(name, type=Text)
    return text


def _append(string: str, name: str = "text") -> Callable[[Doc[Any]], object]:
    return lambda doc: _text(doc, name).insert(len(_text(doc, name)), string)


def _in_sequence() -> Gap:
    (first, second), text = _history(_append("one"), _append(" two"))
    return Gap(first, second, text)


def _in_the_middle() -> Gap:
    (first, second), text = _history(_append("oe"), lambda doc: _text(doc).insert(1, "n"))
    return Gap(first, second, text)


def _beside_each_other() -> Gap:
    """The second one needs nothing of the first: pycrdt leaves a gap and takes it in."""
    (first, second), text = _history(_append("one", "another text"), _append("two"))
    return Gap(first, second, text)


def _with_a_deletion() -> Gap:
    """What is deleted is all that the event of pycrdt tells then."""

    def edit(doc: Doc[Any]) -> None:
        _append("two, three")(doc)
        del _text(doc)[3:5]

    (first, second), text = _history(_append("one", "another text"), edit)
    return Gap(first, second, text)


def _inside_an_update() -> Gap:
    """The second one holds what comes before the gap, too."""
    (one, two, three), text = _history(_append("one"), _append(" two"), _append(" three"))
    return Gap(two, merge_updates(one, three), text)


def _between_clients() -> Gap:
    """The second one is by somebody who had the first one."""
    (first,), _ = _history(_append("one"))
    doc: Doc[Any] = Doc(client_id=2)
    doc.apply_update(first)
    state = doc.get_state()
    _append(" two")(doc)
    return Gap(first, doc.get_update(state), str(_text(doc)))


GAPS = {
    "in sequence": _in_sequence(),
    "in the middle": _in_the_middle(),
    "beside each other": _beside_each_other(),
    "with a deletion": _with_a_deletion(),
    "inside an update": _inside_an_update(),
    "between clients": _between_clients(),
}
