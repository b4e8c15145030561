from __future__ import annotations

import pytest

from benchmarks.load.websocket import encode_frame, split_frames


def from_server(payload: bytes, first: int = 0x82) -> bytes:
    """Return a frame as a server sends it: without a mask."""
    frame = bytearray(encode_frame(payload))
    frame[0], frame[1] = first, frame[1] & 0x7F
    start = len(frame) - len(payload) - 4
    return bytes(frame[:start] + frame[start + 4 :])


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_frames_of_all_sizes(size: int) -> None:
    frame = from_server(b"a" * size)
    assert list(split_frames(frame + frame)) == [
        (b"a" * size, len(frame)),
        (b"a" * size, 2 * len(frame)),
    ]


@pytest.mark.parametrize("size", [1, 126, 65536])
def test_a_frame_that_is_not_complete(size: int) -> None:
    frame = from_server(b"a" * size)
    assert list(split_frames(frame[:-1])) == []
    assert list(split_frames(frame[:1])) == []
    assert list(split_frames(frame[:2])) == []


def test_a_message_in_parts_with_a_ping_between() -> None:
    parts = [
        from_server(b"a", first=0x02),
        from_server(b"ping", first=0x89),
        from_server(b"b", first=0x80),
    ]
    received = b"".join(parts)
    assert list(split_frames(received)) == [(b"ab", len(received))]


def test_a_mask_that_masks_nothing() -> None:
    assert encode_frame(b"ab") == b"\x82\x82\0\0\0\0ab"
