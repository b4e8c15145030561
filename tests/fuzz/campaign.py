"""Frames by the thousand on one target, in batches that can be repeated.

The frames of a batch go to a room of the batch's own, so what a frame meets depends on the batch
alone: a failure is repeated by the seed and the batch that it happened in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.progress import Progress
from tests.fuzz.stage import Stage
from tests.fuzz.targets import TARGETS

__all__ = ["BATCH", "Verdict", "run"]

BATCH = 250
"""So many frames go to one room."""

ANSWERS = {None, 1001, 1002, 1003, 1007, 1008, 1009, 1013, 4400}
"""How a frame may be answered: never with a fault of one's own (1011), nor by ending a room (1012)
or without a word (1006)."""


@dataclass
class Verdict:
    """What a target made of the frames."""

    answers: Counter[int | None] = field(default_factory=Counter)
    """How many frames were answered by which close code; None: they were taken."""

    memory: list[int] = field(default_factory=list)
    """What was allocated in the processes of both ends after each batch, in KiB."""


async def run(
    stage: Stage, target: str, seed: int, first: int, count: int, progress: Path
) -> Verdict:
    """Send frames.

    Args:
        stage: Where the server is.
        target: What to send them to; see `TARGETS`.
        seed: Decides what they are.
        first: The number of the first one.
        count: How many.
        progress: The file to tell which one is being sent.
    """
    verdict = Verdict()
    pid = (await stage.report()).pid
    with Progress(progress) as told:
        for start in range(first - first % BATCH, first + count, BATCH):
            numbers = range(max(start, first), min(start + BATCH, first + count))
            verdict.answers += await _run_batch(stage, target, seed, numbers, told)
            report = await stage.report()
            assert report.pid == pid
            assert not report.complaints, "\n".join(report.complaints)
            verdict.memory.append(await stage.memory())
    return verdict


async def _run_batch(
    stage: Stage, target: str, seed: int, numbers: range, progress: Progress
) -> Counter[int | None]:
    answers: Counter[int | None] = Counter()
    _, draw, assault = TARGETS[target]
    is_filled = numbers.start // BATCH % 2 == 1
    async with assault(stage, f"{seed} {numbers.start}", is_filled) as send:
        for number in numbers:
            parts = draw(Random(seed << 40 | number))
            progress.note(number, parts)
            code = await send(parts)
            assert code in ANSWERS, f"frame {number} was answered with {code}"
            answers[code] += 1
    return answers
