"""Bytes on a websocket that are no messages."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz.stage import Carrier
from tests.fuzz.websocket_scenes import HOSTILE_BYTES, TOO_LONG, hostile_bytes, too_long

# The fixture, whose class is in conftest.py.
Theatre = Any

pytestmark = pytest.mark.parametrize(
    "theatre", [Carrier("websocket", "asyncio")], ids=str, indirect=True
)


@pytest.mark.parametrize("name", HOSTILE_BYTES)
def test_bytes_that_are_no_messages_harm_nobody(theatre: Theatre, name: str) -> None:
    theatre.play(hostile_bytes, name)


@pytest.mark.parametrize("name", TOO_LONG)
def test_a_server_that_declares_too_much_does_not_harm_a_client(
    theatre: Theatre, name: str
) -> None:
    theatre.play(too_long, name)
