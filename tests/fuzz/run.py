"""Send mutated frames to every wire, to the protocol module and to clients.

    uv run python -m tests.fuzz.run --frames 1000000 --seed 7

A failure tells how to repeat it: the same seed, the batch that it happened in, one target.
"""

from __future__ import annotations

# ruff: noqa: T201 - it is a script
import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from tests.fuzz import campaign
from tests.fuzz.campaign import BATCH, Verdict
from tests.fuzz.sandbox import Sandbox, SceneFailedError
from tests.fuzz.targets import TARGETS

__all__ = ["attack"]

INTERVAL = 5.0
"""How often the script tells how far it is, in seconds."""

WARM_UP = 1
"""After so many batches what is made only once is made."""

LEAK = 1.0
"""So much memory a frame may leave behind, in KiB."""

PERSISTENCE = 4
"""So many times as much is sent when memory seems to be kept, which it may by chance."""


def attack(
    target: str,
    *,
    seed: int,
    frames: int,
    first: int = 0,
    patience: float = 300,
    tell: Callable[[int], object] = lambda sent: None,
) -> Verdict:
    """Send frames to a target, from processes that may crash.

    Args:
        target: What to send them to; see `TARGETS`.
        seed: Decides what they are.
        frames: How many.
        first: The number of the first one.
        patience: How long all may take, in seconds.
        tell: Called now and then with how many were sent.

    Raises:
        SceneFailedError: Something went wrong; the text tells the last frames and how to repeat it.
    """
    with TemporaryDirectory() as folder:
        progress = Path(folder) / "progress"
        progress.touch()
        sandbox = Sandbox(TARGETS[target].carrier)
        try:
            end = monotonic() + patience

            def send(number: int) -> Verdict:
                sandbox.begin(campaign.run, target, seed, number, frames, progress)
                while not sandbox.is_done(INTERVAL) and monotonic() < end:
                    tell(_last_number(progress) - first)
                sent: Verdict = sandbox.result(0)
                return sent

            verdict = send(first)
            for time in range(1, PERSISTENCE):
                if not _seems_kept(verdict.memory):
                    break
                verdict.memory += send(first + time * frames).memory
            if _seems_kept(verdict.memory):
                raise SceneFailedError(f"memory is kept; in KiB after each batch: {verdict.memory}")
        except SceneFailedError as error:
            start = _last_number(progress) // BATCH * BATCH
            raise SceneFailedError(
                f"{error}\nThe last frames:\n{progress.read_text()}\nTo repeat it:\n"
                f"python -m tests.fuzz.run --target {target} --seed {seed} "
                f"--first {start} --frames {BATCH}"
            ) from None
        finally:
            sandbox.close()
    return verdict


def _seems_kept(memory: list[int]) -> bool:
    """Compare the second half of the batches with the first one, each when it needed least."""
    middle = len(memory) // 2
    if middle <= WARM_UP:
        return False
    growth = min(memory[middle:]) - min(memory[WARM_UP:middle])
    return growth > LEAK * BATCH * (middle - WARM_UP)


def _last_number(progress: Path) -> int:
    lines = progress.read_text().splitlines()
    return int(lines[-1].split()[0]) if lines else 0


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=1_000_000, help="how many, over all targets")
    parser.add_argument("--seed", type=int, default=0, help="decides what they are")
    parser.add_argument(
        "--first", type=int, default=0, help="the number of each target's first one"
    )
    parser.add_argument(
        "--target", action="append", choices=TARGETS, help="what to send them to; default all"
    )
    options = parser.parse_args()
    targets = options.target or list(TARGETS)
    failures = 0
    for target in targets:
        failures += not _attack_and_tell(
            target, options.seed, options.first, options.frames // len(targets)
        )
    return 1 if failures else 0


def _attack_and_tell(target: str, seed: int, first: int, frames: int) -> bool:
    start = monotonic()

    def tell(sent: int) -> None:
        print(f"{target}: {sent} of {frames}, {sent / (monotonic() - start):.0f} per second")

    try:
        verdict = attack(
            target, seed=seed, first=first, frames=frames, patience=24 * 60 * 60, tell=tell
        )
    except SceneFailedError as error:
        print(f"{target}: FAILED\n{error}", flush=True)
        return False
    tell(frames)
    answers = ", ".join(f"{code or 'taken'}: {n}" for code, n in verdict.answers.most_common())
    first_memory, *_, last_memory = verdict.memory * 2
    print(f"{target}: {answers}; memory {first_memory} to {last_memory} KiB", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
