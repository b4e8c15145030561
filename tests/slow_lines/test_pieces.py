"""Messages in pieces, to bytes and from bytes."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ycore.errors import MessageTooLargeError, ProtocolError
from ywire_zmq.frames import Piece, decode, encode
from ywire_zmq.pieces import Arrival, Departure

LIMIT = 1000

messages = st.binary(min_size=1, max_size=LIMIT)
pieces = st.builds(Piece, st.integers(0, LIMIT + 1), st.binary(max_size=LIMIT + 1))


def pieces_of(message: bytes, size: int) -> list[Piece]:
    departure, found = Departure(message, size), []
    while not departure.is_over:
        found.append(departure.next_piece())
        departure.advance()
    return found


@given(messages, st.integers(1, LIMIT + 1))
def test_a_message_survives(message: bytes, size: int) -> None:
    arrival = Arrival(LIMIT)
    for piece in pieces_of(message, size):
        assert len(piece.data) <= size
        assert not arrival.is_over
        sent = decode(encode(piece))
        assert isinstance(sent, Piece)
        arrival.add(sent)
    assert arrival.is_over
    assert arrival.message == message


@given(st.lists(pieces))
def test_garbage_is_refused(garbage: list[Piece]) -> None:
    arrival, taken = Arrival(LIMIT), b""
    for piece in garbage:
        if arrival.is_over:
            return
        try:
            arrival.add(piece)
        except ProtocolError:
            return
        taken += piece.data
        assert arrival.message == taken
        assert len(taken) + piece.rest <= LIMIT


@given(messages, st.integers(1, LIMIT - 1), st.integers(0, LIMIT))
def test_what_does_not_follow_is_refused(data: bytes, expected: int, rest: int) -> None:
    assume(len(data) + rest != expected)
    arrival = Arrival(LIMIT)
    arrival.add(Piece(expected, b"x"))
    with pytest.raises(ProtocolError, match="continue"):
        arrival.add(Piece(rest, data))


@pytest.mark.parametrize("rest", [0, 1])
def test_a_piece_of_nothing_is_refused(rest: int) -> None:
    with pytest.raises(ProtocolError, match="continue"):
        Arrival(LIMIT).add(Piece(rest, b""))


def test_the_first_piece_tells_of_a_message_over_the_limit() -> None:
    with pytest.raises(MessageTooLargeError, match=r"1001 .* 1000"):
        Arrival(LIMIT).add(Piece(LIMIT, b"x"))
