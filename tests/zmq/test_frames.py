from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ycore.errors import ProtocolError
from ywire_zmq.frames import (
    Ack,
    Bye,
    Control,
    Hello,
    Mark,
    Piece,
    Ping,
    Pong,
    Welcome,
    decode,
    encode,
    encode_message,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
controls = st.one_of(
    st.builds(Hello, texts, texts),
    st.builds(Welcome, st.integers(1, 2**32 - 1), st.integers(1, 2**64 - 1)),
    st.builds(Bye, st.integers(0, 0xFFFF), texts.filter(lambda text: len(text.encode()) <= 123)),
    st.just(Ping()),
    st.just(Pong()),
    st.builds(Ack, st.integers(0, 2**64 - 1)),
    st.builds(Mark, st.integers(0, 2**64 - 1)),
    st.builds(Piece, st.integers(0, 2**64 - 1), st.binary()),
)


@given(controls)
def test_a_control_frame_survives(control: Control) -> None:
    assert decode(encode(control)) == control


@given(st.binary())
def test_a_message_survives(message: bytes) -> None:
    assert decode(encode_message(message)) == message


@given(st.binary(max_size=100).filter(lambda message: message[:1] < b"\xf0"))
def test_a_message_of_the_yjs_protocol_travels_unchanged(message: bytes) -> None:
    assert encode_message(message) is message


@given(st.integers(0xF0, 0xFF), st.binary(max_size=300))
def test_garbage_is_refused_or_ignored(kind: int, body: bytes) -> None:
    try:
        decoded = decode(bytes([kind]) + body)
    except ProtocolError:
        return
    assert decoded is None or isinstance(decoded, bytes | Control)


@given(controls, st.data())
def test_a_cut_control_frame_is_refused(control: Control, data: st.DataObject) -> None:
    frame = encode(control)
    cut = frame[: data.draw(st.integers(1, len(frame)))]
    try:
        decoded = decode(cut)
    except ProtocolError:
        return
    # Only the reason of BYE and the data of PIECE end where the frame ends.
    assert decoded == control or isinstance(decoded, Bye | Piece)


@given(st.one_of(st.builds(Hello, texts, texts), st.just(Ping()), st.just(Pong())))
def test_a_control_frame_with_more_behind_it_is_refused(control: Control) -> None:
    with pytest.raises(ProtocolError, match="too many"):
        decode(encode(control) + b"\0")


@pytest.mark.parametrize(
    "frame",
    [
        b"\xf0",
        b"\xf0\x03",
        b"\xf0\x03\x00\x05abc",
        b"\xf0\x03\x00\x01\xff\x00\x00",
        b"\xf1",
        b"\xf1\x03",
        b"\xf1\x03" + bytes(12),
        b"\xf2",
        b"\xf2\x03",
        b"\xf2\x03\xe8\xff",
        b"\xf2\x03\xe8" + b"a" * 124,
        b"\xf3\x00",
        b"\xf6",
        b"\xf6" + bytes(7),
        b"\xf6" + bytes(9),
        b"\xf7" + bytes(7),
        b"\xf8" + bytes(7),
        b"\xf8" + bytes(9),
    ],
)
def test_a_malformed_control_frame_is_refused(frame: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(frame)
    assert caught.value.code == 1002


@pytest.mark.parametrize("frame", [b"\xf0\x01whatever", b"\xf1\x01whatever"])
def test_another_version_is_refused_for_good(frame: bytes) -> None:
    with pytest.raises(ProtocolError, match="version 1") as caught:
        decode(frame)
    assert caught.value.code == 4400


def test_an_unknown_control_frame_is_ignored() -> None:
    assert decode(b"\xff from the future") is None


@given(st.text(min_size=124, max_size=200))
def test_a_long_reason_is_cut(reason: str) -> None:
    bye = decode(encode(Bye(1000, reason)))
    assert isinstance(bye, Bye)
    assert len(bye.reason.encode()) <= 123


@pytest.mark.parametrize(
    "control", [Hello("x" * 65536), Hello("", "x" * 65536), Bye(-1), Bye(65536), Welcome(-1, 1)]
)
def test_what_does_not_fit_is_refused(control: Control) -> None:
    with pytest.raises(ValueError, match="no room"):
        encode(control)
