"""Updates with something missing before them get into no document, and are not lost."""

from __future__ import annotations

import random
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, TransactionEvent, merge_updates

from ycore.lib0 import encode_uint
from ycore.received import Source
from ycore.replica import Replica, Signal
from ycore.updates import check_update, decode_state_vector


class Peer(Source):
    """Counts how often it is asked, and accepts no refusal."""

    def __init__(self) -> None:
        self.questions = 0

    def refuse(self, error: Exception) -> None:
        raise error

    def ask_again(self) -> None:
        self.questions += 1


def receive(replica: Replica, peer: Source, *updates: bytes, complete: bool = False) -> None:
    """Let updates arrive in one turn; what they free has the next ones."""
    for update in updates:
        replica.receive(update, check_update(update), peer, complete=complete)
    while replica.has_received:
        replica.apply()


def make_replica(*updates: bytes) -> Replica:
    doc: Doc[Any] = Doc()
    for update in updates:
        doc.apply_update(update)
    return Replica(doc, Signal(), relay=True)


def check_document(doc: Doc[Any]) -> None:
    """Check that others can read a document, and that there is no gap in it."""
    state = decode_state_vector(doc.get_state())
    runs = check_update(doc.get_update()).runs
    assert not [run for run in runs if run.clock > state.get(run.client, 0)]


def keys_of_a_map_that_is_gone() -> tuple[bytes, list[bytes], bytes]:
    """Return a document with a map in a map, what adds some keys to it, and what then drops it."""
    ann, bob = Doc[Any](client_id=1), Doc[Any](client_id=2)
    outer = ann.get("map", type=Map)
    outer["inner"] = Map({})
    document = ann.get_update()
    bob.apply_update(document)
    updates: list[bytes] = []

    def note(event: TransactionEvent) -> None:
        updates.append(event.update)

    outer = bob.get("map", type=Map)
    bob.observe(note)
    for number in range(7):
        outer["inner"][str(number)] = number
    del outer["inner"]
    return document, updates[:-1], bob.get_update(ann.get_state())


def test_pycrdt_cannot_tell_what_fills_a_gap_with_garbage() -> None:
    """Once it can, gaps may get into documents."""
    document, updates, everything = keys_of_a_map_that_is_gone()
    doc: Doc[Any] = Doc()
    for update in (document, updates[3], everything):
        doc.apply_update(update)
    with pytest.raises(Exception, match="a clock of"):
        check_update(doc.get_update())


@pytest.mark.parametrize("complete", [False, True])
def test_a_gap_is_filled_with_garbage(complete: bool) -> None:
    """A client that has edited offline goes on typing before it is asked for what is missing."""
    document, updates, everything = keys_of_a_map_that_is_gone()
    replica, peer = make_replica(document), Peer()
    receive(replica, peer, updates[3], complete=complete)
    assert peer.questions == (not complete)
    check_document(replica.doc)
    receive(replica, peer, everything, complete=True)
    check_document(replica.doc)
    assert decode_state_vector(replica.state()) == {1: 1, 2: 7}
    assert replica.doc.get("map", type=Map).to_py() == {}


def section(client: int, clock: int, *structs: bytes) -> bytes:
    return b"".join(map(encode_uint, (1, len(structs), client, clock))) + b"".join(structs) + b"\0"


def item(length: int) -> bytes:
    return b"\x04\x01\x01t" + encode_uint(length) + b"x" * length


def item_beside(*neighbours: tuple[int, int], info: int = 0x84) -> bytes:
    ids = b"".join(encode_uint(number) for neighbour in neighbours for number in neighbour)
    return bytes((info,)) + ids + b"\x01x"


def garbage(length: int) -> bytes:
    return b"\0" + encode_uint(length)


@pytest.mark.parametrize("filling", [garbage(3), garbage(5), garbage(64), item(3), item(64)])
@pytest.mark.parametrize(
    "behind",
    [
        [garbage(4)],
        [item(4)],
        [item(2), item(2)],
        [item(2), garbage(2)],
        [garbage(1), item(3)],
        [item(1), garbage(2), item(1)],
    ],
)
@pytest.mark.parametrize("start", [0, 5, 6, 8])
def test_contradictions_about_what_is_behind_a_gap(
    behind: list[bytes], filling: bytes, start: int
) -> None:
    replica, peer = make_replica(), Peer()
    receive(replica, peer, section(1, 6, *behind), section(1, start, filling))
    check_document(replica.doc)
    receive(replica, peer, section(1, 0, item(start or 1)))
    check_document(replica.doc)


@pytest.mark.parametrize(
    "waiting",
    [
        item_beside((2, 0)),
        item_beside((2, 0), info=0x44),
        item_beside((2, 0), (3, 0), info=0xC4),
        item_beside((3, 0), (2, 0), info=0xC4),
        # On its own future.
        item_beside((1, 7)),
    ],
)
def test_what_waits_is_not_taken_for_applied_because_it_came_first(waiting: bytes) -> None:
    replica, peer = make_replica(section(3, 0, item(1))), Peer()
    receive(replica, peer, section(1, 0, waiting), section(1, 1, item(1)))
    receive(replica, peer, section(1, 0, garbage(9)))
    check_document(replica.doc)
    receive(replica, peer, section(2, 0, item(1)))
    check_document(replica.doc)


def test_what_cannot_be_applied_is_not_taken_for_applied() -> None:
    replica, peer = make_replica(section(2, 0, item(1))), Mock(spec=Peer)
    # A parent that is a character.
    refused = section(1, 0, b"\x04\x00\x02\x00\x01x")
    receive(replica, peer, section(1, 0, item(2)), refused, section(1, 2, item(1)))
    assert not peer.ask_again.called
    assert decode_state_vector(replica.state()) == {1: 3, 2: 1}


def test_nobody_is_asked_for_what_has_come_before_in_the_same_turn() -> None:
    """Neither as a keystroke, nor as what is no keystroke."""
    replica, peer = make_replica(), Peer()
    updates = [section(1, 0, item(1)), section(1, 1, item(1), item(1)), section(1, 3, item(1))]
    with replica.observing():
        receive(replica, peer, *updates)
        replica.doc.apply_update(section(1, 4, item(1)))
        receive(replica, peer, section(1, 5, item(1)))
    assert peer.questions == 0
    assert decode_state_vector(replica.state()) == {1: 6}


def test_what_is_before_a_gap_is_there_at_once() -> None:
    replica, peer = make_replica(), Peer()
    before, behind = section(1, 0, item(2)), section(1, 5, item(3))
    receive(replica, peer, merge_updates(before, behind))
    assert str(replica.doc.get("t", type=Text)) == "xx"
    assert peer.questions == 1
    receive(replica, peer, section(1, 2, item(3)))
    assert str(replica.doc.get("t", type=Text)) == "x" * 8
    assert peer.questions == 1


@pytest.mark.parametrize("complete", [False, True])
def test_each_gap_is_for_itself(complete: bool) -> None:
    replica, peer = make_replica(), Peer()
    runs = [section(client, clock, item(1)) for client in (1, 2) for clock in (2, 5, 9)]
    receive(replica, peer, merge_updates(*runs), complete=complete)
    assert decode_state_vector(replica.state()) == {}
    receive(replica, peer, section(1, 0, item(2)))
    assert decode_state_vector(replica.state()) == {1: 3}
    receive(replica, peer, section(2, 0, item(5)))
    assert decode_state_vector(replica.state()) == {1: 3, 2: 6}
    receive(replica, peer, section(1, 3, item(6)))
    assert decode_state_vector(replica.state()) == {1: 10, 2: 6}


def test_a_gap_with_nothing_behind_it() -> None:
    replica, peer = make_replica(), Peer()
    receive(replica, peer, section(1, 0, item(3), b"\x0a\x04"))
    assert decode_state_vector(replica.state()) == {1: 3}
    assert peer.questions == 0


def test_what_something_else_frees_is_no_gap() -> None:
    """What pycrdt has put off comes free by what another client sends."""
    replica, peer = make_replica(), Peer()
    put_off = section(1, 0, item_beside((2, 0)), item(1))
    receive(replica, peer, put_off, section(3, 5, item(1)))
    receive(replica, peer, section(2, 0, item(1)))
    questions = peer.questions
    receive(replica, peer, *(section(1, clock, item(1)) for clock in range(2, 6)))
    assert decode_state_vector(replica.state()) == {1: 6, 2: 1}
    assert peer.questions == questions


def test_a_chain_of_gaps_is_freed_link_by_link() -> None:
    replica, peer = make_replica(), Peer()
    receive(replica, peer, *(section(1, clock, item(2)) for clock in range(1, 9)))
    filling = section(1, 0, item(1))
    replica.receive(filling, check_update(filling), peer)
    turns = 0
    while replica.has_received:
        replica.apply()
        turns += 1
    assert turns > 4
    assert decode_state_vector(replica.state()) == {1: 10}


EMOJI = b"\x04\x01\x01t\x05a\xf0\x9f\x98\x80"
"""A letter and an emoji: 3, as JavaScript counts."""


@pytest.mark.parametrize("known", [[item(2)], [garbage(2)], [item(1), item(1)]])
@pytest.mark.parametrize("others", [[], [item(1)], [b"\x08\x01\x01t\x02\x7d\x00\x7d\x00"]])
def test_nobody_may_begin_within_a_surrogate_pair(known: list[bytes], others: list[bytes]) -> None:
    """pycrdt 0.14.13 would lose half of it, and the document with it."""
    replica, peer = make_replica(section(1, 0, *known)), Mock(spec=Peer)
    receive(replica, peer, section(1, 0, EMOJI, *others))
    ((error,), _) = peer.refuse.call_args
    assert error.code == 1007
    assert decode_state_vector(replica.state()) == {1: 2}
    check_document(replica.doc)


@pytest.mark.parametrize("known", [item(1), item(3), item(4)])
def test_who_begins_beside_a_surrogate_pair_is_welcome(known: bytes) -> None:
    replica, peer = make_replica(section(1, 0, known)), Peer()
    receive(replica, peer, section(1, 0, EMOJI, item(2)))
    assert decode_state_vector(replica.state()) == {1: 5}
    check_document(replica.doc)


def test_what_pycrdt_takes_in_part_is_not_taken_for_applied() -> None:
    """It is the same with what it takes in whole, but was known in part."""
    replica, peer = make_replica(), Mock(spec=Peer)
    for update in (item(2), EMOJI):
        receive(replica, peer, section(1, 0, update))
    receive(replica, peer, section(1, 3, item(4)))
    receive(replica, peer, section(1, 2, garbage(9)))
    check_document(replica.doc)


def test_what_waits_is_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ycore.gaps.MAX_HELD", 2)
    monkeypatch.setattr("ycore.gaps.MAX_HELD_BYTES", 115)
    replica, peer = make_replica(), Peer()
    receive(replica, peer, *(section(client, 1, item(1)) for client in range(1, 4)))
    receive(replica, peer, section(4, 1, item(90)))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    receive(replica, peer, *(section(client, 0, item(1)) for client in range(1, 5)))
    assert decode_state_vector(replica.state()) == {1: 1, 2: 1, 3: 2, 4: 91}


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), edits=st.integers(2, 30))
def test_documents_are_equal_whatever_came_when(seed: int, edits: int) -> None:
    rand = random.Random(seed)
    docs = [Doc[Any](client_id=number) for number in range(1, 4)]
    updates: list[bytes] = []
    for doc in docs:
        doc.observe(lambda event: updates.append(event.update))
    for _ in range(edits):
        _edit(rand, docs)
    replica, peer = make_replica(), Peer()
    for _ in range(rand.randint(1, edits)):
        some = [rand.choice(updates) for _ in range(rand.randint(1, 4))]
        difference = rand.choice(docs).get_update(rand.choice(docs).get_state())
        receive(replica, peer, rand.choice([difference, merge_updates(*some), *some]))
        check_document(replica.doc)
    merged: Doc[Any] = Doc()
    for doc in docs:
        merged.apply_update(doc.get_update())
        receive(replica, peer, doc.get_update(), complete=True)
    check_document(replica.doc)
    assert decode_state_vector(replica.state()) == decode_state_vector(merged.get_state())
    assert _content(replica.doc) == _content(merged)


def _edit(rand: random.Random, docs: list[Doc[Any]]) -> None:
    doc, other = rand.choice(docs), rand.choice(docs)
    if other is not doc and rand.random() < 0.3:
        doc.apply_update(other.get_update(doc.get_state()))
    text, array = doc.get("text", type=Text), doc.get("array", type=Array)
    match rand.randrange(6):
        case 0 | 1:
            text.insert(rand.randint(0, len(str(text))), "x" * rand.randint(1, 3))
        case 2 if len(str(text)):
            del text[rand.randrange(len(str(text)))]
        case 3 if len(array) and isinstance(array[-1], Array):
            array[-1].append(Map({"key": Text("value")}))
        case 4 if len(array):
            del array[rand.randrange(len(array))]
        case _:
            array.append(rand.choice([1, Array([2, 3])]))


def _content(doc: Doc[Any]) -> tuple[str, Any]:
    return str(doc.get("text", type=Text)), doc.get("array", type=Array).to_py()
