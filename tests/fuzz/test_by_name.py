"""Hostile messages, one by one, on every wire and from both ends."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz import scenes
from tests.fuzz.hostile import HOSTILE

# The fixture, whose class is in conftest.py.
Theatre = Any


@pytest.mark.parametrize("room", ["empty", "filled"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_client_harms_nobody(theatre: Theatre, name: str, room: str) -> None:
    theatre.play(scenes.hostile_client, name, room == "filled")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_server_does_not_harm_a_client(theatre: Theatre, name: str) -> None:
    theatre.play(scenes.hostile_server, name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_server_that_begins_hostile_does_not_harm_a_client(theatre: Theatre, name: str) -> None:
    theatre.play(scenes.hostile_greeting, name)
