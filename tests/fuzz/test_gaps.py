"""Nobody is left without what came in the wrong order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fuzz import gaps
from tests.fuzz.gaps import GAPS

# The fixture, whose class is in conftest.py.
Theatre = Any

each_gap = pytest.mark.parametrize("gap", GAPS)


@each_gap
def test_the_sender_fills_the_gap(theatre: Theatre, gap: str) -> None:
    theatre.play(gaps.filled_by_the_sender, gap)


@each_gap
def test_another_client_fills_the_gap(theatre: Theatre, gap: str) -> None:
    theatre.play(gaps.filled_by_another, gap, sender_leaves=False)


@each_gap
def test_another_client_fills_the_gap_when_the_sender_is_gone(theatre: Theatre, gap: str) -> None:
    theatre.play(gaps.filled_by_another, gap, sender_leaves=True)


@each_gap
def test_who_has_everything_fills_the_gap_when_the_sender_is_gone(
    theatre: Theatre, gap: str
) -> None:
    theatre.play(gaps.filled_by_who_has_both, gap)


def test_gaps_left_by_those_who_are_thrown_out_harm_nobody(theatre: Theatre) -> None:
    theatre.play(gaps.left_by_those_who_are_thrown_out, 20)
