"""Messages as Yjs clients send them, always the same: what the mutations begin with."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from pycrdt import (
    Array,
    Doc,
    Map,
    Text,
    TransactionEvent,
    UndoManager,
    XmlElement,
    XmlFragment,
    XmlText,
    merge_updates,
)

from tests.fuzz.varint import var_bytes
from ycore.protocol import AwarenessEntry, Kind, Message, encode_entries

__all__ = ["CLIENTS", "content", "encode", "messages"]

CLIENTS = (1, 127, 2**31, 2**53 - 1)
"""Who has written the documents."""

ROUNDS = 12

HEADS = {
    Kind.STEP1: b"\x00\x00",
    Kind.STEP2: b"\x00\x01",
    Kind.UPDATE: b"\x00\x02",
    Kind.AWARENESS: b"\x01",
    Kind.DENIED: b"\x02\x00",
    Kind.ECHO: b"\x66",
}

REST_OF_FRAME = {Kind.QUERY_AWARENESS: b"\x03", Kind.UNKNOWN: b"\x7f"}
"""Messages without a length, by what they begin with."""


def encode(message: Message) -> bytes:
    """Return a message as a frame."""
    kind, payload = message
    if kind in REST_OF_FRAME:
        return REST_OF_FRAME[kind] + payload
    return HEADS[kind] + var_bytes(payload)


@cache
def messages() -> tuple[Message, ...]:
    """Return messages of every kind."""
    story = _story()
    return (
        *(Message(Kind.UPDATE, update) for update in story.updates),
        Message(Kind.UPDATE, SUBDOCUMENT),
        *(Message(Kind.STEP2, update) for update in story.differences),
        *(Message(Kind.STEP1, state) for state in story.states),
        *(Message(Kind.AWARENESS, encode_entries(entries)) for entries in AWARENESS),
        Message(Kind.DENIED, b"read only"),
        Message(Kind.QUERY_AWARENESS, b""),
        Message(Kind.ECHO, b"token"),
        Message(Kind.UNKNOWN, b"an extension"),
    )


def content() -> bytes:
    """Return an update that holds all that was written."""
    return _story().docs[0].get_update()


AWARENESS = [
    [],
    [AwarenessEntry(1, 1, '{"user":{"name":"Ann","color":"#ff0000"}}')],
    [AwarenessEntry(1, 2, '{"cursor":{"anchor":[1,2],"head":null},"name":"\u20ac"}')],
    [AwarenessEntry(1, 3, "null")],
    [AwarenessEntry(client, 5, "{}") for client in CLIENTS],
]


SUBDOCUMENT = bytes.fromhex(
    "010105002901016d0173057375622d31760302676379086175746f4c6f616478046d65746177016100"
)
"""By Yjs, for pycrdt would choose another id for it each time."""


class _Story:
    """Documents that edit, undo and meet; every update that this makes."""

    def __init__(self) -> None:
        self.docs: list[Doc[Any]] = [Doc(client_id=client) for client in CLIENTS]
        self.updates: list[bytes] = []
        self.differences: list[bytes] = []
        self.states: list[bytes] = []
        rand = Random(1)
        subscriptions = [doc.observe(self._keep) for doc in self.docs]
        undo = UndoManager(scopes=[self.docs[0].get("text", type=Text)], capture_timeout_millis=0)
        for _ in range(ROUNDS):
            for edit in (_edit_text, _edit_array, _edit_map, _edit_xml):
                edit(rand.choice(self.docs), rand)
            self._meet(*rand.sample(self.docs, 2))
        undo.undo()
        for doc, subscription in zip(self.docs, subscriptions, strict=True):
            doc.unobserve(subscription)
        # With gaps: some without those between them.
        self.updates += [merge_updates(*rand.sample(self.updates, 3)) for _ in range(ROUNDS)]
        for doc in self.docs[1:]:
            self._meet(self.docs[0], doc)

    def _keep(self, event: TransactionEvent) -> None:
        self.updates.append(event.update)

    def _meet(self, one: Doc[Any], other: Doc[Any]) -> None:
        for source, target in ((one, other), (other, one)):
            self.states.append(target.get_state())
            self.differences.append(source.get_update(target.get_state()))
            target.apply_update(self.differences[-1])


_story = cache(_Story)


def _edit_text(doc: Doc[Any], rand: Random) -> None:
    text = doc.get("text", type=Text)
    # Nothing beyond U+FFFF: pycrdt 0.14.13 loses count when somebody cuts such a character in two.
    text.insert(0, rand.choice(["a", "hello ", "\xe9", "\u20ac\u20ac", "long " * 40]))
    match rand.randrange(4):
        case 0:
            text.format(0, len(text), {"bold": rand.choice([True, None, {"deep": [1]}])})
        case 1:
            text.insert_embed(0, {"image": "x"})
        case 2:
            del text[0:1]
        case 3:
            text.insert(len(text), "end")


def _edit_array(doc: Doc[Any], rand: Random) -> None:
    array = doc.get("array", type=Array)
    array.extend([None, True, 1.5, 2**40, -(2**53), "\xe9", b"\xff", [1, [2]], {"a": {"b": []}}])
    array.append(rand.choice([Array([1, [2]]), Map({"a": Map({"b": 1})}), Text("in")]))
    del array[rand.randrange(len(array))]


def _edit_map(doc: Doc[Any], rand: Random) -> None:
    shared = doc.get("map", type=Map)
    key = rand.choice(["a", "", "\xe9"])
    shared[key] = rand.choice([1, "two", [3], Map({"deep": Text("x")})])
    if rand.random() < 0.3:
        del shared[key]


def _edit_xml(doc: Doc[Any], rand: Random) -> None:
    fragment = doc.get("xml", type=XmlFragment)
    nodes = [XmlElement("\xe9", {"a": "b"}, [XmlText("z")]), XmlText("h\xe9"), XmlElement("div")]
    fragment.children.append(rand.choice(nodes))
    if rand.random() < 0.3:
        del fragment.children[0]
