"""Mutated frames, the same every time; `python -m tests.fuzz.run` sends more, and others."""

from __future__ import annotations

import pytest

from tests.fuzz.run import attack
from tests.fuzz.sandbox import SceneFailedError
from tests.fuzz.targets import TARGETS

FRAMES = 2000

FEWER = 500
"""So many go to clients on a network, which come back each time."""


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_frames_harm_nobody_but_their_senders(target: str) -> None:
    frames = FEWER if target.startswith("client-") else FRAMES
    try:
        verdict = attack(target, seed=1, frames=frames)
    except SceneFailedError as error:
        pytest.fail(str(error), pytrace=False)
    assert verdict.answers.total() == frames
    # Neither is everything refused at the door, nor is everything let in.
    assert verdict.answers[None] > frames / 10
    assert verdict.answers[1002] > frames / 10
