"""Everything goes wrong at once, and nothing is lost."""

from __future__ import annotations

from random import SystemRandom

import pytest

from tests.chaos.plays import BACKENDS, play_of
from tests.chaos.stage import perform


@pytest.mark.timeout(600)
@pytest.mark.parametrize("anyio_backend", BACKENDS)
async def test_nothing_is_lost_in_chaos(anyio_backend: str) -> None:
    """A failure is one of the product, and tells how to see the same play again."""
    seed = SystemRandom().randrange(2**32)
    try:
        counts = await perform(play_of(seed, anyio_backend))
    except BaseException as exc:
        exc.add_note(f"tests/chaos/run.py --seed {seed} --backend {anyio_backend}")
        raise
    assert counts["confirmed"] > 100, counts
