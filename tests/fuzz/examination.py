"""A frame in the hands of the protocol module and of pycrdt, without any wire."""

from __future__ import annotations

from typing import Any

from pycrdt import Awareness, Doc

from tests.fuzz import corpus
from ycore.errors import ProtocolError
from ycore.protocol import Kind, Message, decode, decode_awareness, encode_entries
from ycore.updates import check_update, decode_state_vector
from ywire_zmq import frames as zmq_frames

__all__ = ["examine"]


def examine(doc: Doc[Any], frame: bytes) -> bool:
    """Decode a frame, and hand to pycrdt what is let through; return whether all was."""
    _examine_zmq(frame)
    try:
        messages = list(decode(frame))
        for message in messages:
            _examine_message(doc, message)
    except ProtocolError as error:
        assert error.code in (1002, 1007), error.code
        return False
    assert list(decode(b"".join(map(corpus.encode, messages)))) == messages
    return True


def _examine_message(doc: Doc[Any], message: Message) -> None:
    match message.kind:
        case Kind.STEP1:
            decode_state_vector(message.payload)
            doc.get_update(message.payload)
        case Kind.STEP2 | Kind.UPDATE:
            check_update(message.payload)
            _apply(Doc(), message.payload)
        case Kind.AWARENESS:
            entries = decode_awareness(message.payload)
            assert decode_awareness(encode_entries(entries)) == entries
            Awareness(doc).apply_awareness_update(encode_entries(entries), None)


def _apply(doc: Doc[Any], update: bytes) -> None:
    try:
        doc.apply_update(update)
    except (ValueError, RuntimeError) as error:
        # Such as a parent that is no type, which the update alone does not tell.
        assert str(error).startswith("Cannot "), error
    check_update(doc.get_update())
    decode_state_vector(doc.get_state())


def _examine_zmq(frame: bytes) -> None:
    try:
        control = zmq_frames.decode(frame)
    except ProtocolError:
        return
    if isinstance(control, zmq_frames.Control):
        assert zmq_frames.decode(zmq_frames.encode(control)) == control
