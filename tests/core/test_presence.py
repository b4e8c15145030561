"""Who owns which awareness states."""

from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycrdt import Awareness, Doc

from ycore import LimitReachedError
from ycore.presence import Arrival, LocalState, Presence, encode_states
from ycore.protocol import MAX_AWARENESS_CLOCK, Kind, decode, decode_awareness
from ycore.protocol import AwarenessEntry as Entry

ANN, BOB, CAT = "ann's connection", "bob's connection", "cat's connection"


def states(awareness: Awareness) -> dict[int, Any]:
    """Return the states; any JSON can be one, whatever pycrdt's types say."""
    return awareness.states


@pytest.fixture
def awareness() -> Awareness:
    awareness = Awareness(Doc(client_id=99))
    awareness.set_local_state(None)
    return awareness


@pytest.fixture
def presence(awareness: Awareness) -> Presence:
    return Presence(awareness)


def test_a_state_that_is_refused_leaves_what_was_there(awareness: Awareness) -> None:
    local = LocalState(awareness)
    for before in ({}, {99: {"name": "Ann"}}):
        awareness.set_local_state(before.get(99))
        local.check()
        awareness.set_local_state({"nothing": float("nan")})
        with pytest.raises(ValueError, match="JSON compliant"):
            local.check()
        assert states(awareness) == before


def test_states_come_and_go_with_their_connection(awareness: Awareness, presence: Presence) -> None:
    presence.update(ANN, [Entry(1, 1, '{"name":"Ann"}'), Entry(2, 1, "5")])
    presence.update(BOB, [Entry(3, 1, '"b"')])
    assert states(awareness) == {1: {"name": "Ann"}, 2: 5, 3: "b"}
    presence.leave(ANN)
    assert states(awareness) == {3: "b"}
    presence.leave(BOB)
    assert states(awareness) == {}


def test_a_connection_owns_what_it_updates(awareness: Awareness, presence: Presence) -> None:
    presence.update(ANN, [Entry(1, 1, "1")])
    presence.update(ANN, [Entry(1, 2, "2")])
    presence.leave(ANN)
    assert states(awareness) == {}


@pytest.mark.parametrize("clock", [0, 4, 5])
def test_an_old_clock_tells_nothing(awareness: Awareness, presence: Presence, clock: int) -> None:
    presence.update(ANN, [Entry(1, 5, '"new"')])
    presence.update(ANN, [Entry(1, clock, '"old"')])
    assert states(awareness) == {1: "new"}


def test_an_unknown_client_counts_as_clock_0(awareness: Awareness, presence: Presence) -> None:
    presence.update(ANN, [Entry(1, 0, "1")])
    assert states(awareness) == {}


def test_a_removal_counts_with_an_equal_clock(awareness: Awareness, presence: Presence) -> None:
    presence.update(ANN, [Entry(1, 5, "1")])
    presence.update(ANN, [Entry(1, 4, "null")])
    assert states(awareness) == {1: 1}
    presence.update(ANN, [Entry(1, 5, "null")])
    assert states(awareness) == {}
    presence.update(ANN, [Entry(1, 6, "2")])
    assert states(awareness) == {1: 2}


def test_nobody_else_removes_or_overwrites_a_state(
    awareness: Awareness, presence: Presence
) -> None:
    presence.update(ANN, [Entry(1, 1, '"mine"')])
    presence.update(BOB, [Entry(1, 1, "null")])
    presence.update(BOB, [Entry(1, 9, "null")])
    presence.update(BOB, [Entry(1, 9, '"stolen"')])
    assert states(awareness) == {1: "mine"}
    presence.update(ANN, [Entry(1, 2, '"still mine"')])
    assert states(awareness) == {1: "still mine"}


def test_a_client_that_comes_back_before_its_old_connection_is_dead_stays_visible(
    awareness: Awareness, presence: Presence
) -> None:
    presence.update(ANN, [Entry(1, 1, '"before"')])
    presence.update(BOB, [Entry(1, 2, '"after"')])
    presence.leave(ANN)
    assert states(awareness) == {1: "after"}
    presence.leave(BOB)
    assert states(awareness) == {}


def test_a_claim_counts_when_the_owner_gives_the_state_up(
    awareness: Awareness, presence: Presence
) -> None:
    presence.update(ANN, [Entry(1, 1, '"before"')])
    presence.update(BOB, [Entry(1, 2, '"after"')])
    presence.update(ANN, [Entry(1, 1, "null")])
    assert states(awareness) == {1: "after"}
    presence.leave(ANN)
    assert states(awareness) == {1: "after"}


def test_the_claim_of_a_connection_ends_with_it(awareness: Awareness, presence: Presence) -> None:
    presence.update(ANN, [Entry(1, 1, '"before"')])
    presence.update(BOB, [Entry(1, 2, '"after"')])
    presence.leave(BOB)
    presence.leave(ANN)
    assert states(awareness) == {}


def test_the_state_of_the_room_itself_is_its_own(awareness: Awareness, presence: Presence) -> None:
    awareness.set_local_state({"name": "the room"})
    presence.update(ANN, [Entry(99, 50, "null"), Entry(99, 51, '"mine"')])
    assert states(awareness) == {99: {"name": "the room"}}


def test_departed_clients_cannot_be_revived_by_an_old_message(
    awareness: Awareness, presence: Presence
) -> None:
    presence.update(ANN, [Entry(1, 3, "1")])
    presence.leave(ANN)
    presence.update(BOB, [Entry(1, 3, "1")])
    assert states(awareness) == {}


def test_there_is_a_bound_for_what_is_remembered(
    awareness: Awareness, presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ycore.presence.MAX_DEPARTED", 10)
    presence.update(BOB, [Entry(0, 1, "1")])
    for client in range(1, 100):
        presence.update(ANN, [Entry(client, 1, "1")])
        presence.leave(ANN)
        presence.forget_departed()
    assert len(awareness.meta) <= 12
    assert list(awareness.states) == [0]


def test_there_is_a_bound_for_the_states_of_a_connection(
    presence: Presence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ycore.presence.MAX_OWNED", 2)
    presence.update(ANN, [Entry(1, 1, "1"), Entry(2, 1, "1")])
    with pytest.raises(LimitReachedError, match="more than 2"):
        presence.update(ANN, [Entry(3, 1, "1")])


def test_what_is_claimed_counts(presence: Presence, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.presence.MAX_OWNED", 2)
    presence.update(ANN, [Entry(1, 1, "1"), Entry(2, 1, "1")])
    presence.update(CAT, [Entry(3, 1, "1")])
    presence.update(BOB, [Entry(1, 2, "1"), Entry(2, 2, "1")])
    with pytest.raises(LimitReachedError, match="more than 2"):
        presence.update(BOB, [Entry(3, 2, "1")])


def test_a_message_that_contradicts_itself(awareness: Awareness, presence: Presence) -> None:
    presence.update(ANN, [Entry(1, 1, "1")])
    presence.update(ANN, [Entry(1, 2, "null"), Entry(1, 2, "2")])
    assert states(awareness) == {}
    assert presence.entry(ANN, 1) is None
    presence.update(BOB, [Entry(1, 3, "3")])
    assert presence.entry(BOB, 1) == Entry(1, 3, "3")


def test_a_state_that_this_side_removes(awareness: Awareness, presence: Presence) -> None:
    presence.update(ANN, [Entry(1, 1, "1")])
    awareness.remove_awareness_states([1], "by this side")
    assert presence.entry(ANN, 1) is None
    presence.leave(ANN)
    assert states(awareness) == {}


def test_what_introduces_a_client(awareness: Awareness, presence: Presence) -> None:
    awareness.set_local_state({"name": "the room"})
    presence.update(ANN, [Entry(1, 5, "1"), Entry(2, 5, "2")])
    presence.update(ANN, [Entry(2, 5, "null")])
    before, after = 0, presence.departures

    def arrival(*entries: Entry, since: int = after) -> Arrival | None:
        return presence.arrival(BOB, entries, since=since)

    assert arrival(Entry(3, 0, "{}")) is Arrival.NEW
    assert arrival(Entry(2, 5, "2")) is Arrival.RETURN
    # It may be the echo of what the connection has heard before the departure.
    assert arrival(Entry(2, 5, "2"), since=before) is Arrival.UNCERTAIN
    assert arrival(Entry(1, 5, "1")) is Arrival.UNCERTAIN
    assert arrival() is None
    assert arrival(Entry(3, 1, "null")) is None
    assert arrival(Entry(3, 1, "3"), Entry(4, 1, "4")) is None
    assert arrival(Entry(awareness.client_id, 1, "1")) is None


def test_a_renewal_takes_no_clock_to_its_end(presence: Presence) -> None:
    presence.update(BOB, [Entry(1, MAX_AWARENESS_CLOCK, '"not Ann"')])
    presence.leave(BOB)
    assert presence.renewal(Entry(1, 5, '"Ann"')) is None
    assert presence.renewal(Entry(2, 5, '"Ann"')) == Entry(2, 6, '"Ann"')


class Step(NamedTuple):
    """A connection says something of a client, or leaves."""

    owner: str
    client: int | None
    """None leaves."""
    newer: int
    """By how much the clock is higher than the known one."""
    state: str


STEPS = st.builds(
    Step,
    st.sampled_from([ANN, BOB, CAT]),
    st.sampled_from([1, 1, 2, None]),
    st.sampled_from([0, 1, 1]),
    st.sampled_from(["null", '"state"']),
)


CLAIMED_THEN_FREE = [
    Step(ANN, 1, 1, '"state"'),
    Step(BOB, 1, 1, '"state"'),
    Step(ANN, 1, 0, "null"),
    Step(BOB, 1, 1, '"state"'),
]


@settings(max_examples=300)
@given(st.lists(STEPS, min_size=3, max_size=20))
@example(CLAIMED_THEN_FREE)
def test_every_state_has_an_owner_and_ends_with_it(steps: list[Step]) -> None:
    awareness = Awareness(Doc(client_id=99))
    awareness.set_local_state(None)
    presence = Presence(awareness)
    for step in steps:
        if step.client is None:
            presence.leave(step.owner)
        else:
            clock = awareness.meta.get(step.client, {"clock": 0})["clock"] + step.newer
            presence.update(step.owner, [Entry(step.client, clock, step.state)])
        assert presence._owners.keys() == states(awareness).keys()
        assert presence._claims.keys() <= presence._owners.keys()
        for owner, sizes in presence._sizes.items():
            owned = {client for client, who in presence._owners.items() if who is owner}
            claimed = {client for client, claim in presence._claims.items() if claim[0] is owner}
            assert sizes.keys() == owned | claimed
            assert not owned & claimed
    for owner in (ANN, BOB, CAT):
        presence.leave(owner)
    assert states(awareness) == {}
    assert not presence._owners
    assert not presence._claims
    assert not presence._sizes


def test_removals_and_unknown_clients_can_be_encoded(
    awareness: Awareness, presence: Presence
) -> None:
    presence.update(ANN, [Entry(1, 1, '"ü"'), Entry(2, 7, "1")])
    presence.update(ANN, [Entry(2, 8, "null")])
    (message,) = encode_states(awareness, [1, 2, 12345])
    ((kind, payload),) = decode(message)
    assert kind is Kind.AWARENESS
    assert decode_awareness(payload) == [Entry(1, 1, '"ü"'), Entry(2, 8, "null")]
