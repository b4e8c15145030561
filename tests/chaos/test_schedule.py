"""A play is the same wherever and whenever it is written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import run

import pytest

from tests.chaos.actions import Crash, Leave
from tests.chaos.plays import BACKENDS, play_of
from tests.chaos.schedule import ROOMS

ROOT = Path(__file__).resolve().parents[2]

WRITE = "from tests.chaos.plays import play_of; print(play_of(7, 'asyncio'))"


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_play_depends_on_its_seed_alone(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    written = run([sys.executable, "-c", WRITE], cwd=ROOT, env=environment, capture_output=True)
    assert written.stdout.decode().rstrip() == str(play_of(7, "asyncio")), written.stderr.decode()


def test_another_seed_gives_another_play() -> None:
    assert play_of(7, "asyncio").acts != play_of(8, "asyncio").acts


@pytest.mark.parametrize("backend", BACKENDS)
def test_residents_stay(backend: str) -> None:
    play = play_of(7, backend)
    assert {who.room for who in play.cast if who.is_resident} == set(ROOMS)
    gone = {
        step.action.who
        for act in play.acts
        for step in act
        if isinstance(step.action, Leave | Crash)
    }
    assert gone
    assert not any(who.is_resident for who in gone)
