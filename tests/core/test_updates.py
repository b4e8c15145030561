from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import (
    Array,
    Doc,
    Map,
    Text,
    UndoManager,
    XmlElement,
    XmlFragment,
    XmlText,
    merge_updates,
)

from ycore.deletions import Deletions
from ycore.errors import ProtocolError
from ycore.extent import Extent
from ycore.keystrokes import check_keystroke
from ycore.updates import check_update, decode_state_vector, walk_state_vector, walk_update
from ycore.values import MAX_NESTING

# Written by Yjs 13.6: the state vector, the document, the merged updates that made it.
YJS: dict[str, tuple[str, str, str]] = {
    "text": (
        "010116",
        (
            "010d0100040101740168810100018101010184010203efbfbd84010309efbfbd20776f726c64c401"
            "02010303efbfbdc10100010102c60103010404626f6c64046e756c6cc6010e010402c3a9046e756c"
            "6cc10101010203c60112010204626f6c640474727565c60113010202c3a9097b2261223a5b315d7d"
            "440100016201010301020c021003"
        ),
        (
            "010c0100040101741068c3a9e282acf09f988020776f726c64c40102010303efbfbdc60100010104"
            "626f6c640474727565c6010c010102c3a9097b2261223a5b315d7dc60103010404626f6c64046e75"
            "6c6cc6010e010402c3a9046e756c6cc60101010204626f6c64046e756c6cc60110010202c3a9046e"
            "756c6cc5011101021c7b22696d616765223a2278222c226e223a5b6e756c6c2c312e355d7dc60112"
            "010204626f6c640474727565c60113010202c3a9097b2261223a5b315d7d44010001620101030102"
            "0c021003"
        ),
    ),
    "lone": (
        "010101",
        "01010100050101740e7b2273223a225c7564383030227d00",
        "01010100050101740e7b2273223a225c7564383030227d00",
    ),
    "array": (
        "01ffffffff0f13",
        (
            "0106ffffffff0f00080101610175017f81ffffffff0f000288ffffffff0f020a797d007d407dc001"
            "7c4f0000007c3fc000007b7e37e43c8800759c7b7ff800000000000075017afffffffffffffffb77"
            "04f09f988083ffffffff0f0c02010288ffffffff0f0d0475027d0175027d02760101617d03760076"
            "01016b760102c3a9750075017600c3ffffffff0f00ffffffff0f0102090901ffffffff0f010102"
        ),
        (
            "0104ffffffff0f00080101610d75017f7e78797d007d407dc0017c4f0000007c3fc000007b7e37e4"
            "3c8800759c7b7ff800000000000075017afffffffffffffffb7704f09f988083ffffffff0f0c0201"
            "0288ffffffff0f0d0475027d0175027d02760101617d0376007601016b760102c3a9750075017600"
            "c3ffffffff0f00ffffffff0f0102090901ffffffff0f010102"
        ),
    ),
    "map": (
        "010107",
        "010501002101016d0161022101016d02c3a90100012701016d00020400010402696e0101010004",
        (
            "010601002801016d0161017d018801000175017d012701016d02c3a90127000102016b002701016d"
            "00020400010402696e0101010004"
        ),
    ),
    "xml": (
        "010108",
        (
            "0107010007010178030364697687010006040001010368c3a92800010005636c617373017704f09f"
            "988007000100030170470100030162070101610400"
        ),
        (
            "0107010007010178030364697687010006040001010368c3a92800010005636c617373017704f09f"
            "988007000100030170470100030162070101610400"
        ),
    ),
    "subdoc": (
        "01ffffffffffffff0f02",
        (
            "0102ffffffffffffff0f002901016d0173057375622d31760302676379086175746f4c6f61647804"
            "6d6574617601016175017d010901016102c3a9760000"
        ),
        (
            "0102ffffffffffffff0f002901016d0173057375622d31760302676379086175746f4c6f61647804"
            "6d6574617601016175017d010901016102c3a9760000"
        ),
    ),
    "undo": (
        "010107",
        (
            "01060100040101740161840100026263c40100010101784401000161c4010001030178c401000105"
            "0178010103000103010501"
        ),
        (
            "010501000401017403616263c40100010101784401000161c4010001030178c40100010501780101"
            "03000103010501"
        ),
    ),
    "nogc": (
        "010107",
        "01040100070101610128000100016b01770176880100017701780401017404676f6e650101010007",
        "01040100070101610128000100016b01770176880100017701780401017404676f6e650101010007",
    ),
    "gc": (
        "010104",
        "0103010001010161010002810100010101010004",
        "01040100070101610128000100016b0177017627000100016c00880100017701780101010004",
    ),
    "gap": (
        "010109",
        "01010100040101740961626364656667686900",
        "010301000401017403616263840102036465668401050367686900",
    ),
}
YJS_SKIP = "0103010004010174036162630a038401050367686900"
YJS_XML_HOOK = "01010100070101610504686f6f6b00"

PANIC = "010101ffffffff0f040101740b68656c6c6f20776f726c6400"


def uint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def text(string: str) -> bytes:
    return uint(len(string.encode())) + string.encode()


ROOT = b"\x01" + text("t")


def section(*structs: bytes, client: int = 1, clock: int = 0) -> bytes:
    return uint(len(structs)) + uint(client) + uint(clock) + b"".join(structs)


def ends(data: bytes) -> Mapping[int, int]:
    return check_update(data).ends


def update(*sections: bytes, deletions: bytes = b"\x00") -> bytes:
    return uint(len(sections)) + b"".join(sections) + deletions


def one(content: int, data: bytes) -> bytes:
    return update(section(bytes([content]) + ROOT + data))


def value(data: bytes) -> bytes:
    return one(8, b"\x01" + data)


def deletions(*ranges: tuple[int, int], client: int = 1) -> bytes:
    items = b"".join(uint(clock) + uint(length) for clock, length in ranges)
    return b"\x01" + uint(client) + uint(len(ranges)) + items


STRING = b"\x04" + ROOT + text("ab")
EMPTY_STRING = b"\x04" + ROOT + b"\x00"


ACCEPTED: dict[str, tuple[bytes, dict[int, int]]] = {
    "nothing": (update(), {}),
    "string": (update(section(STRING)), {1: 2}),
    "string with a long root": (one(4, text("a" * 300)), {1: 300}),
    "emoji": (one(4, text("x\U0001f600")), {1: 3}),
    "after another": (update(section(b"\x84\x01\x04" + text("a"), clock=5)), {1: 6}),
    "before another": (update(section(b"\x44\x02\x04" + text("a"), clock=5)), {1: 6}),
    "between two": (update(section(b"\xc4\x01\x04\x02\x03" + text("\u20ac"), clock=5)), {1: 6}),
    "in a map": (update(section(b"\x24" + ROOT + text("k") + text("ab"))), {1: 2}),
    "in a nested type": (update(section(b"\x04\x00\x07\x03" + text("ab"))), {1: 2}),
    "an empty string among others": (update(section(EMPTY_STRING, STRING)), {1: 2}),
    "gc": (update(section(b"\x00\x05", clock=3)), {1: 8}),
    "gap": (update(section(STRING, b"\x0a\x03", STRING)), {1: 7}),
    "gap at the end": (update(section(STRING, b"\x0a\x03")), {1: 2}),
    "nothing but a gap": (update(section(b"\x0a\x03")), {}),
    "deleted": (one(1, b"\x07"), {1: 7}),
    "binary": (one(3, b"\x03\xff\x00\x80"), {1: 1}),
    "embed": (one(5, text('{"a": [1, null, 1e999]}')), {1: 1}),
    "embed of a long number": (one(5, text("9" * 5000)), {1: 1}),
    "embed of a lone surrogate": (one(5, text('"\\ud800"')), {1: 1}),
    "format": (one(6, text("b") + text("null")), {1: 1}),
    "element": (one(7, b"\x03" + text("p")), {1: 1}),
    "subdocument": (one(9, text("guid") + b"\x76\x01" + text("gc") + b"\x79"), {1: 1}),
    "largest client": (update(section(STRING, client=2**53 - 1)), {2**53 - 1: 2}),
    "largest clock": (update(section(STRING, clock=2**31 - 3)), {1: 2**31 - 1}),
    "two clients": (update(section(STRING, client=2), section(STRING)), {1: 2, 2: 2}),
    "one deletion": (update(deletions=deletions((5, 3))), {1: 8}),
    "an empty deletion": (update(deletions=deletions((5, 0))), {}),
    "no ranges": (update(deletions=b"\x01\x01\x00"), {}),
    "deletions in any order": (update(deletions=deletions((5, 3), (0, 1))), {1: 8}),
    "deletion of less": (update(section(STRING), deletions=deletions((0, 1))), {1: 2}),
    "deletion of more": (update(section(STRING), deletions=deletions((7, 1))), {1: 8}),
    "integers": (one(8, b"\x02\x7d\x05\x7d" + b"\xff" * 7 + b"\x1f"), {1: 2}),
    "fixed values": (one(8, b"\x04\x7f\x7e\x78\x79"), {1: 4}),
    "numbers": (one(8, b"\x03\x7c1234\x7b12345678\x7a12345678"), {1: 3}),
    "nested values": (value(b"\x75\x02\x76\x01" + text("k") + b"\x75\x00\x74\x01\xff"), {1: 1}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts_and_tells_the_extent(name: str) -> None:
    data, extent = ACCEPTED[name]
    assert ends(data) == extent


TOO_LONG = b"\xff" * 7 + b"\x10"

REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "too early"),
    "past the clocks": (bytes.fromhex(PANIC), "a clock of"),
    "trailing bytes": (one(4, text("a")) + b"\x00", "too many"),
    "too many sections": (uint(2**31) + b"\x00", "a count"),
    "too many structs": (b"\x01" + uint(2**31) + b"\x01\x00" + STRING + b"\x00", "a count"),
    "too many deletions": (b"\x00" + uint(2**31), "a count"),
    "too many ranges": (b"\x00\x01\x01" + uint(2**31), "a count"),
    "too many values": (one(8, uint(2**31)), "a count"),
    "too many members": (value(b"\x76\x04" + text("k") + b"\x7f" * 3), "a count"),
    "endless number": (b"\x80" * 1000, "53 bits"),
    "overlong number": (b"\x00" + b"\x80" * 8 + b"\x00", "53 bits"),
    "client": (update(section(STRING, client=2**53)), "53 bits"),
    "client of an origin": (update(section(b"\x84" + TOO_LONG + b"\x00\x01a")), "53 bits"),
    "clock": (update(section(STRING, clock=2**31)), "a clock"),
    "clock and length": (update(section(STRING, clock=2**31 - 2)), "a clock"),
    "clock of an origin": (update(section(b"\x84\x01" + uint(2**31) + b"\x01a")), "a clock"),
    "clock of a right origin": (update(section(b"\x44\x01" + uint(2**32) + b"\x01a")), "a clock"),
    "clock of a parent": (update(section(b"\x04\x00\x01" + uint(2**31) + b"\x01a")), "a clock"),
    "clock after a gap": (update(section(b"\x0a" + uint(2**31), STRING)), "a clock"),
    "clock after a gc": (update(section(b"\x00" + uint(2**40))), "a clock"),
    "clock after deleted": (one(1, uint(2**31)), "a clock"),
    "clock of a deletion": (update(deletions=deletions((2**31, 1))), "a clock"),
    "end of a deletion": (update(deletions=deletions((2**31 - 1, 1))), "a clock"),
    "end of one of them": (update(deletions=deletions((0, 1), (1, 2**32 - 1))), "a clock"),
    "empty gc": (update(section(STRING, b"\x00\x00")), "an empty"),
    "empty gap": (update(section(STRING, b"\x0a\x00")), "an empty"),
    "empty section": (update(section()), "without content"),
    "section of nothing": (update(section(EMPTY_STRING)), "without content"),
    "section of no values": (one(8, b"\x00"), "without content"),
    "a client twice": (update(section(STRING), section(STRING)), "two sections"),
    "gc with flags": (update(section(b"\x80\x01\x00\x05")), "a struct of kind 0x80"),
    "gap with flags": (update(section(b"\x8a\x01\x00\x05")), "a struct of kind 0x8a"),
    "content beyond the known": (update(section(b"\x14" + ROOT + text("a"))), "a struct of kind"),
    "obsolete json": (one(2, b"\x01" + text("1")), "a struct of kind 0x2"),
    "move": (one(11, b"\x01\x01\x00"), "a struct of kind 0xb"),
    "parent": (update(section(b"\x04\x02\x01t\x01a")), "a parent"),
    "hook": (bytes.fromhex(YJS_XML_HOOK), "a type of kind 5"),
    "weak link": (one(7, b"\x07\x00\x01\x00"), "a type of kind 7"),
    "undefined type": (one(7, b"\x0f"), "a type of kind 15"),
    "unknown value": (value(b"\x73"), "a value of kind 115"),
    "large value kind": (value(b"\xff"), "a value of kind 255"),
    "large integer": (value(b"\x7d" + b"\xff" * 7 + b"\x20"), "an integer"),
    "endless integer": (value(b"\x7d" + b"\x80" * 99 + b"\x00"), "an integer"),
    "subdocument without options": (one(9, text("guid") + b"\x7e"), "without options"),
    "string": (one(4, b"\x02\xc3\x28"), "UTF-8"),
    "string of a surrogate": (one(4, b"\x03\xed\xa0\x80"), "UTF-8"),
    "string after another": (update(section(b"\x84\x01\x00\x01\xff")), "UTF-8"),
    "root": (update(section(b"\x04\x01\x01\xff\x01a")), "UTF-8"),
    "key": (update(section(b"\x24" + ROOT + b"\x01\xff\x01a")), "UTF-8"),
    "format key": (one(6, b"\x01\xff" + text("1")), "UTF-8"),
    "element name": (one(7, b"\x03\x01\xff"), "UTF-8"),
    "value string": (value(b"\x77\x01\xff"), "UTF-8"),
    "member key": (value(b"\x76\x01\x01\xff\x7f"), "UTF-8"),
    "json": (one(5, text("{")), "JSON"),
    "json of bytes": (one(5, b"\x01\xff"), "JSON"),
    "json that only Python knows": (one(5, text("[NaN]")), "JSON"),
    "json with more": (one(6, text("b") + text("1 1")), "JSON"),
    "empty json": (one(5, b"\x00"), "JSON"),
    "undefined json": (one(5, text("undefined")), "JSON"),
    "long string": (one(4, uint(2**52)), "too early"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_and_says_why(name: str) -> None:
    data, why = REFUSED[name]
    with pytest.raises(ProtocolError, match=why) as caught:
        check_update(data)
    assert caught.value.code == 1007


def arrays(depth: int) -> bytes:
    return value(b"\x75\x01" * depth + b"\x7e")


def objects(depth: int) -> bytes:
    return value((b"\x76\x01" + text("k")) * depth + b"\x7e")


def json_arrays(depth: int) -> bytes:
    return one(5, text("[" * depth + "]" * depth))


def json_objects(depth: int) -> bytes:
    return one(6, text("b") + text('{"[":' * depth + "1" + "}" * depth))


@pytest.mark.parametrize("nested", [arrays, objects, json_arrays, json_objects])
def test_bounds_nesting(nested: Callable[[int], bytes]) -> None:
    assert ends(nested(MAX_NESTING)) == {1: 1}
    Doc().apply_update(nested(MAX_NESTING))
    for depth in (MAX_NESTING + 1, 200_000):
        with pytest.raises(ProtocolError, match=r"nested|JSON"):
            check_update(nested(depth))


def test_many_brackets_are_not_deep() -> None:
    assert ends(one(5, text("[" + "[]," * 1000 + "[]]"))) == {1: 1}
    assert ends(one(5, text('"' + "[" * 1000 + '"'))) == {1: 1}
    assert ends(value(b"\x75\xe8\x07" + b"\x75\x00" * 1000)) == {1: 1}


@pytest.mark.parametrize("name", ACCEPTED)
def test_refuses_every_beginning_of_an_update(name: str) -> None:
    data, _ = ACCEPTED[name]
    for end in range(len(data)):
        with pytest.raises(ProtocolError):
            check_update(data[:end])


@pytest.mark.parametrize(
    ("state", "clocks"),
    [
        (b"\x00", {}),
        (b"\x01\x05\x00", {5: 0}),
        (b"\x02" + uint(2**53 - 1) + uint(2**31 - 1) + b"\x01\x02", {2**53 - 1: 2**31 - 1, 1: 2}),
    ],
)
def test_state_vector(state: bytes, clocks: dict[int, int]) -> None:
    assert decode_state_vector(state) == clocks


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (b"", "too early"),
        (b"\x01", "a count"),
        (b"\x01\x05\x80", "too early"),
        (b"\x00\x00", "too many"),
        (uint(2**31), "a count"),
        (uint(2**31) + b"\x01\x01", "a count"),
        (b"\x01" + uint(2**53) + b"\x01", "53 bits"),
        (b"\x01\x01" + uint(2**31), "a clock"),
        (b"\x80" * 100, "53 bits"),
    ],
)
def test_malformed_state_vector(state: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why) as caught:
        decode_state_vector(state)
    assert caught.value.code == 1007


def test_a_state_vector_of_a_peer_is_bounded() -> None:
    """One's own is not."""
    state = uint(1_000_001) + b"\x01\x01" * 1_000_001
    with pytest.raises(ProtocolError, match="1000001 clients"):
        next(walk_state_vector(state))
    assert decode_state_vector(state) == {1: 1}


@pytest.mark.parametrize("name", YJS)
def test_accepts_what_yjs_writes(name: str) -> None:
    state, document, merged = (bytes.fromhex(data) for data in YJS[name])
    assert ends(document) == ends(merged) == decode_state_vector(state)


def test_accepts_a_gap_that_yjs_writes() -> None:
    assert ends(bytes.fromhex(YJS_SKIP)) == {1: 9}


@pytest.mark.skipif(version("pycrdt") != "0.14.13", reason="tells about this version")
def test_pycrdt_misreads_what_is_refused() -> None:
    """Once pycrdt reads these right, they can be let in."""
    json_of_one = one(2, b"\x01" + text("1"))
    with pytest.raises(ValueError, match="Cannot decode update"):
        Doc().apply_update(json_of_one)
    with pytest.raises(ValueError, match="Cannot decode update"):
        Doc().apply_update(bytes.fromhex(YJS_XML_HOOK))


def random_value(rand: random.Random, depth: int = 0) -> Any:
    kind = rand.randrange(8 if depth < 3 else 6)
    if kind == 6:
        return [random_value(rand, depth + 1) for _ in range(rand.randrange(3))]
    if kind == 7:
        return {key: random_value(rand, depth + 1) for key in rand.sample(["k", "", "\xe9"], 2)}
    scalars = [
        None,
        True,
        0,
        -1,
        1.5,
        1e300,
        2**31,
        -(2**40),
        2**53,
        -(2**63),
        "",
        "\U0001f600",
        b"\xff",
    ]
    return rand.choice(scalars)


def edit_text(doc: Doc[Any], rand: random.Random) -> None:
    shared = doc.get("text", type=Text)
    kind = rand.randrange(6)
    if kind == 0 and len(shared):
        shared.format(0, len(shared), {"b": rand.choice([True, None, {"x": [1]}])})
    elif kind == 1:
        shared.insert_embed(0, random_value(rand))
    elif kind == 2 and len(shared):
        shared.clear()
    else:
        shared.insert(0, rand.choice(["", "a", "hello", "\xe9\u20ac", "\U0001f600", "long " * 40]))


def edit_array(doc: Doc[Any], rand: random.Random) -> None:
    shared = doc.get("array", type=Array)
    kind = rand.randrange(4)
    if kind == 0 and len(shared):
        del shared[rand.randrange(len(shared))]
    elif kind == 1:
        nested = [Array([1, [2]]), Map({"a": Map({"b": 1})}), Text(""), Text("in"), Doc()]
        shared.append(rand.choice(nested))
    else:
        shared.extend([random_value(rand) for _ in range(rand.randrange(4))])


def edit_map(doc: Doc[Any], rand: random.Random) -> None:
    shared = doc.get("map", type=Map)
    key = rand.choice(["a", "", "\xe9"])
    if rand.random() < 0.3:
        shared.pop(key, None)
    else:
        shared[key] = random_value(rand)


def edit_xml(doc: Doc[Any], rand: random.Random) -> None:
    shared = doc.get("xml", type=XmlFragment)
    nodes = [XmlElement("\xe9", {"a": "b"}, [XmlText("z")]), XmlText("h\xe9"), XmlElement("div")]
    shared.children.append(rand.choice(nodes))


EDITS = [edit_text, edit_array, edit_map, edit_xml]


class Session:
    """Three documents that edit, undo and meet, and every update that they emit."""

    def __init__(self, seed: int, edits: int) -> None:
        self.rand = random.Random(seed)
        ids = self.rand.sample([1, 127, 2**31, 2**32 - 1, 2**40, 2**53 - 1], 3)
        self.docs: list[Doc[Any]] = [Doc(client_id=client) for client in ids]
        self.updates: list[bytes] = []
        subscriptions = [doc.observe(self._emitted) for doc in self.docs]
        undo = UndoManager(
            scopes=[self.docs[0].get("text", type=Text), self.docs[0].get("array", type=Array)],
            capture_timeout_millis=0,
        )
        for _ in range(edits):
            self._edit(undo)
        for doc in self.docs:
            self._meet(doc, self.docs)
        for doc, subscription in zip(self.docs, subscriptions, strict=True):
            doc.unobserve(subscription)

    def _emitted(self, event: Any) -> None:
        self.updates.append(event.update)

    def _edit(self, undo: UndoManager) -> None:
        kind = self.rand.random()
        doc = self.rand.choice(self.docs)
        if kind < 0.1:
            undo.undo()
        elif kind < 0.15:
            undo.redo()
        elif kind < 0.3:
            self._meet(doc, [self.rand.choice(self.docs)])
        else:
            self.rand.choice(EDITS)(doc, self.rand)

    def _meet(self, doc: Doc[Any], others: Iterable[Doc[Any]]) -> None:
        for other in others:
            difference = other.get_update(doc.get_state())
            self.updates.append(difference)
            doc.apply_update(difference)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(1, 40))
def test_accepts_what_pycrdt_writes(seed: int, edits: int) -> None:
    session = Session(seed, edits)
    for data in session.updates:
        check_update(data)
    for doc in session.docs:
        assert ends(doc.get_update()) == decode_state_vector(doc.get_state())
    check_gaps(session)


def check_gaps(session: Session) -> None:
    some = session.rand.sample(session.updates, min(5, len(session.updates)))
    merged = merge_updates(*some)
    check_update(merged)
    partial: Doc[Any] = Doc()
    partial.apply_update(merged)
    check_update(partial.get_update())
    decode_state_vector(partial.get_state())


def mutate(rand: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rand.choice([1, 1, 2, 4])):
        at = rand.randrange(len(out) + 1)
        kind = rand.randrange(5)
        if kind == 0:
            out[at : at + 1] = bytes([rand.randrange(256)])
        elif kind == 1:
            del out[at : at + rand.randrange(1, 4)]
        elif kind == 2:
            out[at:at] = bytes([rand.choice([0, 1, 2, 10, 127, 132, 196])])
        elif kind == 3:
            out[at : at + 1] = uint(2 ** rand.choice([7, 14, 31, 32, 53]) - rand.randrange(2))
        else:
            start = rand.randrange(len(out) + 1)
            out[at:at] = out[start : start + rand.randrange(12)]
    return bytes(out)


def test_garbage_is_refused_or_harmless() -> None:
    rand = random.Random(20)
    corpus = [bytes.fromhex(data) for row in YJS.values() for data in row[1:]]
    corpus += [data for data, _ in ACCEPTED.values() if len(data) < 400]
    corpus += [data for data in Session(1, 60).updates if len(data) < 400]
    accepted = 0
    for _ in range(3000):
        data = mutate(rand, rand.choice(corpus))
        try:
            check_update(data)
        except ProtocolError:
            continue
        accepted += 1
        apply(data)
    assert accepted > 100


def apply(data: bytes) -> None:
    doc: Doc[Any] = Doc()
    try:
        doc.apply_update(data)
    except (ValueError, RuntimeError) as error:
        # Such as a parent that is no type, which the update alone does not tell.
        assert str(error).startswith("Cannot ")
    doc.get_update()
    doc.get_state()


def outcome(check: Callable[[bytes], Extent | None], data: bytes) -> object:
    try:
        extent = check(data)
    except ProtocolError as error:
        return error.code, str(error)
    if extent is None:
        return None
    deletions = data[extent.deletions :] if extent.deletions else b"\x00"
    return extent._replace(runs=list(extent.runs), deletions=0), deletions


def walked(data: bytes) -> Extent:
    steps = walk_update(data)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            extent: Extent = stop.value
            return extent


SIZES = st.sampled_from([1, 2, 100, 126, 127, 128, 129, 5_000, 16_000, 16_383, 16_384, 17_000])


@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_the_short_way_tells_what_the_long_one_does(data: st.DataObject, seed: int) -> None:
    doc: Doc[Any] = Doc(client_id=data.draw(st.sampled_from([1, 200, 2**32 - 1, 2**53 - 1])))
    written: list[bytes] = []
    subscription = doc.observe(lambda event: written.append(event.update))
    text = doc.get("text", type=Text)
    for _ in range(data.draw(st.integers(1, 3))):
        letter = data.draw(st.sampled_from(["a", "\x00", "\x7f", "é", "語", "😀"]))
        text.insert(0, letter * (data.draw(SIZES) // len(letter.encode()) or 1))
    text.clear()
    doc.unobserve(subscription)
    assert (check_keystroke(written[0]) is None) is (len(written[0]) > 16 * 1024)
    rand = random.Random(seed)
    for update in written:
        for changed in (update, *(mutate(rand, update) for _ in range(20))):
            short = outcome(check_keystroke, changed)
            assert short is None or short == outcome(walked, changed), changed.hex()


def test_there_are_pauses_also_where_clients_have_deleted_nothing() -> None:
    update = b"\x00" + uint(20_000) + 20_000 * b"\x05\x00"
    steps = walk_update(update)
    pauses = 0
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            extent = stop.value
            break
        pauses += 1
    assert pauses > 5
    assert len(list(Deletions(b"").walk_lacking(update, extent))) > 5


@pytest.mark.parametrize("cut_off", ["010105000401008000", "01010500040101748000"])
def test_the_length_of_a_text_is_cut_off(cut_off: str) -> None:
    with pytest.raises(ProtocolError):
        check_update(bytes.fromhex(cut_off))


def test_garbage_state_vectors_are_refused() -> None:
    rand = random.Random(21)
    doc: Doc[Any] = Doc()
    for _ in range(1000):
        data = mutate(
            rand, b"\x03\x01\x05" + uint(2**40) + b"\x07" + uint(2**53 - 1) + uint(2**31 - 1)
        )
        try:
            decode_state_vector(data)
        except ProtocolError:
            continue
        doc.get_update(data)


def pieces(count: int, *, joined: bool, text: bytes = b"a") -> bytes:
    """Return an update of a text in many pieces, which follow each other or not."""

    def number(value: int) -> bytes:
        encoded = bytearray()
        while value > 127:
            encoded.append(value & 127 | 128)
            value >>= 7
        return bytes([*encoded, value])

    content = bytes([len(text)]) + text
    structs = [b"\x04\x01\x01t" + content]
    for clock in range(len(text), count * len(text), len(text)):
        origin = clock - 1 if joined else max(clock - 2, 0)
        structs.append(b"\x84\x01" + number(origin) + content)
    return b"\x01" + number(count) + b"\x01\x00" + b"".join(structs) + b"\x00"


def test_a_text_in_too_many_pieces() -> None:
    """pycrdt would join them at a cost that grows with the square of their number."""
    assert ends(pieces(10_000, joined=True)) == {1: 10_000}
    assert ends(pieces(50_000, joined=False)) == {1: 50_000}
    with pytest.raises(ProtocolError, match="too many pieces"):
        check_update(pieces(20_000, joined=True))
    assert ends(pieces(1_000, joined=True, text=b"a" * 100)) == {1: 100_000}
    with pytest.raises(ProtocolError, match="too many pieces"):
        check_update(pieces(2_000, joined=True, text=b"a" * 100))


def test_json_of_too_many_values() -> None:
    """Python reads it in one go, and nobody else gets a turn meanwhile."""
    text = b"[" + b"1," * 100_001 + b"1]"
    size = bytes((len(text) & 127 | 128, len(text) >> 7 & 127 | 128, len(text) >> 14))
    with pytest.raises(ProtocolError, match="too many values"):
        check_update(b"\x01\x01\x01\x00\x05\x01\x01t" + size + text + b"\x00")
