"""Perform the plays of many seeds, one after the other, until one fails or the time is over.

A failure tells the seed and the event loop, with which the same play can be performed again.
"""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from random import SystemRandom
from time import monotonic

import anyio

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.chaos.plays import BACKENDS, play_of
from tests.chaos.stage import perform


def main(arguments: Sequence[str] | None = None) -> int:
    """Perform plays; return how many have failed."""
    options = _parse(arguments)
    if options.verbose:
        logging.basicConfig(format="%(relativeCreated)7d %(name)s %(message)s", level="INFO")
    end = monotonic() + options.seconds
    failures = 0
    for seed in count(options.seed):
        for backend in options.backend:
            failures += not _perform(seed, backend)
            if monotonic() >= end or (failures and not options.keep_going):
                return failures
    raise AssertionError("there is always another seed")


def _perform(seed: int, backend: str) -> bool:
    """Perform a play and tell how it went."""
    began = monotonic()
    try:
        counts = anyio.run(perform, play_of(seed, backend), backend=backend)
    except Exception:  # noqa: BLE001 - whatever it is, it is shown
        _tell(f"seed {seed} on {backend}: FAILED after {monotonic() - began:.0f} s")
        _tell(traceback.format_exc())
        return False
    story = ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
    _tell(f"seed {seed} on {backend}: passed in {monotonic() - began:.0f} s: {story}")
    return True


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seed", type=int, help="the first seed; a random one by default, the others follow it"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=0.0,
        help="begin no new play after so many seconds; by default there is one play",
    )
    parser.add_argument(
        "--backend",
        action="append",
        choices=list(BACKENDS),
        help="the event loop, asyncio by default; may be given twice",
    )
    parser.add_argument(
        "--keep-going", action="store_true", help="go on with the next play after a failure"
    )
    parser.add_argument("--verbose", action="store_true", help="tell everything that happens")
    options = parser.parse_args(arguments)
    options.backend = options.backend or ["asyncio"]
    if options.seed is None:
        options.seed = SystemRandom().randrange(2**32)
    return options


if __name__ == "__main__":
    sys.exit(main())
