"""Floods and lies of control frames."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz import zmq_scenes
from tests.fuzz.stage import Carrier
from tests.fuzz.zmq_scenes import LIES
from ywire_zmq.frames import Ack, Mark, Ping, Pong, encode

# The fixture, whose class is in conftest.py.
Theatre = Any

pytestmark = pytest.mark.parametrize(
    "theatre", [Carrier("zmq", "asyncio"), Carrier("zmq", "trio")], ids=str, indirect=True
)


@pytest.mark.parametrize("name", LIES)
def test_lies_harm_nobody(theatre: Theatre, name: str) -> None:
    theatre.play(zmq_scenes.lie, name)


@pytest.mark.parametrize(
    "frame",
    [
        encode(Ping()),
        encode(Pong()),
        encode(Ack(0)),
        encode(Mark(0)),
        b"\xff",
        b"\xf5\xff",
        b"\x00",
        b"",
    ],
    ids=["PING", "PONG", "ACK of nothing", "MARK", "unknown", "DATA", "half a message", "nothing"],
)
def test_a_flood_drowns_nobody(theatre: Theatre, frame: bytes) -> None:
    theatre.play(zmq_scenes.flood, frame, 10_000)


def test_endless_hellos_leave_nothing_behind(theatre: Theatre) -> None:
    theatre.play(zmq_scenes.endless_hellos, 300)


def test_a_silent_crowd_disturbs_nobody(theatre: Theatre) -> None:
    theatre.play(zmq_scenes.silent_crowd, 200)
