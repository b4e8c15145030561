"""Yjs messages to and from bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Awareness, Doc, create_sync_message, create_update_message

from ycore import ProtocolError
from ycore.protocol import (
    KEEPALIVE,
    MAX_AWARENESS_ENTRIES,
    AwarenessEntry,
    Kind,
    Message,
    decode,
    decode_awareness,
    encode_awareness,
    encode_denied,
    encode_echo,
    encode_entries,
    encode_step1,
    encode_step2,
    encode_update,
)

ENCODERS = {
    Kind.STEP1: encode_step1,
    Kind.STEP2: encode_step2,
    Kind.UPDATE: encode_update,
    Kind.AWARENESS: encode_awareness,
    Kind.ECHO: encode_echo,
}

messages = st.builds(Message, st.sampled_from(list(ENCODERS)), st.binary(max_size=300))
states = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


@given(st.lists(messages, min_size=1, max_size=5))
def test_what_was_encoded_is_decoded(sent: list[Message]) -> None:
    frame = b"".join(ENCODERS[kind](payload) for kind, payload in sent)
    assert list(decode(frame)) == sent


@given(st.binary(max_size=200))
def test_garbage_is_a_protocol_error_and_nothing_else(frame: bytes) -> None:
    try:
        found = list(decode(frame))
    except ProtocolError as exc:
        assert exc.code in (1002, 1007)
    else:
        assert found


@given(st.binary(max_size=200))
def test_garbage_awareness_is_a_protocol_error_and_nothing_else(payload: bytes) -> None:
    try:
        decode_awareness(payload)
    except ProtocolError as exc:
        assert exc.code in (1002, 1007)


@given(messages, st.data())
def test_a_truncated_message_is_a_protocol_error(message: Message, data: st.DataObject) -> None:
    frame = ENCODERS[message.kind](message.payload)
    end = data.draw(st.integers(0, len(frame) - 1))
    with pytest.raises(ProtocolError):
        list(decode(frame[:end]))


def test_the_bytes_are_those_of_pycrdt() -> None:
    doc = Doc[Any]()
    assert encode_step1(doc.get_state()) == create_sync_message(doc)
    assert encode_update(b"x" * 300) == create_update_message(b"x" * 300)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (b"\x03", [Message(Kind.QUERY_AWARENESS, b"")]),
        (b"\x03body", [Message(Kind.QUERY_AWARENESS, b"body")]),
        (b"\x07whatever", [Message(Kind.UNKNOWN, b"whatever")]),
        (encode_denied("né"), [Message(Kind.DENIED, "né".encode())]),
        (KEEPALIVE, [Message(Kind.AWARENESS, b"\x00")]),
        (b"\x80\x00\x00\x01a", [Message(Kind.STEP1, b"a")]),
    ],
)
def test_special_messages(frame: bytes, expected: list[Message]) -> None:
    assert list(decode(frame)) == expected


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00",
        b"\x00\x03\x00",
        b"\x00\x02\x05abcd",
        b"\x00\x02\x01a\x09",
        b"\x00\x02" + b"\xff" * 8 + b"\x0f",
        b"\x00\x02" + b"\xff" * 20,
        b"\x02\x01\x00",
    ],
    ids=["empty", "no step", "step 3", "short", "garbage", "2**60", "endless", "permission 1"],
)
def test_malformed_frames(frame: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(decode(frame))


@given(
    st.lists(st.tuples(st.integers(0, 2**53 - 1), st.integers(0, 2**31 - 1), states), max_size=5)
)
def test_awareness_entries_round_trip(entries: list[tuple[int, int, object]]) -> None:
    sent = [AwarenessEntry(client, clock, json.dumps(state)) for client, clock, state in entries]
    assert decode_awareness(encode_entries(sent)) == sent


def test_awareness_of_pycrdt_is_understood() -> None:
    awareness = Awareness(Doc())
    awareness.set_local_state({"name": "Zoë", "nested": {"cursor": None}})
    (entry,) = decode_awareness(awareness.encode_awareness_update([awareness.client_id]))
    assert (entry.client, entry.clock) == (awareness.client_id, 1)
    assert not entry.is_removal
    awareness.set_local_state(None)
    (entry,) = decode_awareness(awareness.encode_awareness_update([awareness.client_id]))
    assert entry.is_removal


def test_any_spelling_of_null_is_a_removal() -> None:
    (entry,) = decode_awareness(encode_entries([AwarenessEntry(1, 2, " null ")]))
    assert entry.is_removal


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("{", 1007),
        ("NaN", 1007),
        ("[Infinity]", 1007),
        ("", 1007),
        ("[" * 101 + "1" + "]" * 101, 1007),
        ("[" * 200_000 + "]" * 200_000, 1007),
        ('{"a":' * 101 + "1" + "}" * 101, 1007),
    ],
    ids=["cut", "NaN", "infinity", "empty", "101 deep", "200,000 deep", "objects 101 deep"],
)
def test_states_that_peers_cannot_parse(state: str, code: int) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_awareness(encode_entries([AwarenessEntry(1, 1, state)]))
    assert caught.value.code == code


def test_a_wide_state_is_not_a_deep_one() -> None:
    state = "[" + ",".join(["[]"] * 500) + "]"
    assert decode_awareness(encode_entries([AwarenessEntry(1, 1, state)]))[0].state == state


def test_a_state_that_is_not_utf8() -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_awareness(b"\x01\x01\x01\x02\xff\xff")
    assert caught.value.code == 1007


def test_too_many_awareness_entries() -> None:
    entries = [AwarenessEntry(n, 1, "1") for n in range(MAX_AWARENESS_ENTRIES + 1)]
    with pytest.raises(ProtocolError, match="declares 10001 entries"):
        decode_awareness(encode_entries(entries))


@pytest.mark.parametrize("payload", [b"\x05\x01\x01\x011", b"\x00\x00"], ids=["count", "garbage"])
def test_malformed_awareness(payload: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_awareness(payload)
