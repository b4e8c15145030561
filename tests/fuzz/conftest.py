"""Sandboxes, one for each wire and event loop; whoever fails in one leaves a fresh one behind."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Concatenate, ParamSpec

import pytest

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.fuzz.sandbox import Sandbox, SceneFailedError
from tests.fuzz.scenes import rehearsal, without_loss_of_memory
from tests.fuzz.stage import CARRIERS, Carrier, Stage

Arguments = ParamSpec("Arguments")


class Theatre:
    """Plays scenes on the stage of one carrier."""

    def __init__(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self._sandbox: Sandbox | None = None

    def play(
        self,
        scene: Callable[Concatenate[Stage, Arguments], Awaitable[object]],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> None:
        """Play a scene; the test fails if it fails, or if its process dies."""
        try:
            if self._sandbox is None:
                self._sandbox = Sandbox(self.carrier)
                self._sandbox.play(rehearsal)
            self._sandbox.play(without_loss_of_memory, scene, *arguments, **options)
        except SceneFailedError as error:
            self.close()
            pytest.fail(str(error), pytrace=False)

    def close(self) -> None:
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None


@pytest.fixture(scope="session", params=CARRIERS, ids=str)
def theatre(request: pytest.FixtureRequest) -> Iterator[Theatre]:
    theatre = Theatre(request.param)
    yield theatre
    theatre.close()
