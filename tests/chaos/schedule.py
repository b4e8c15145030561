"""Who does what, and when: a pure function of a seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from tests.chaos.actions import (
    Act,
    Action,
    Crash,
    Cut,
    Deed,
    Edit,
    Edits,
    Fate,
    Flood,
    Flush,
    Freeze,
    Join,
    Leave,
    Pause,
    Play,
    Restart,
    Resume,
    Show,
    Stall,
    Step,
    Thaw,
    Who,
)

__all__ = ["ROOMS", "write_play"]

ROOMS = ("attic", "cellar", "größe/2")
PER_WIRE = 2
"""So many clients of each wire are in each room."""

LAGS = (0.0, 0.0, 0.0, 0.005, 0.05)


def write_play(seed: int, wires: Sequence[str], *, acts: int, seconds: float) -> Play:
    """Write the play of a seed.

    Args:
        seed: What all choices depend on.
        wires: The wires that clients are on.
        acts: How many acts there are.
        seconds: How long each is.
    """
    random = Random(seed)
    crowd = [
        Who(
            name=f"{wire}-{index}{number}",
            room=room,
            wire=wire,
            is_resident=wires[index % len(wires)] == wire and number == 0,
            lag=random.choice(LAGS),
        )
        for index, room in enumerate(ROOMS)
        for wire in wires
        for number in range(PER_WIRE)
    ]
    hermits = [
        Who(f"{wire}-alone", f"cell of {wire}", wire, is_resident=False, lag=random.choice(LAGS))
        for wire in wires
    ]
    author = _Author(random, crowd, hermits, wires)
    cast = (*crowd, *hermits)
    return Play(seed, cast, tuple(author.write_act(seconds) for _ in range(acts)))


class _Author:
    def __init__(
        self, random: Random, crowd: Sequence[Who], hermits: Sequence[Who], wires: Sequence[str]
    ) -> None:
        self._random = random
        self._cast = cast = [*crowd, *hermits]
        self._crowd = crowd
        self._hermits = hermits
        self._wires = wires
        self._steps: list[Step] = []
        self._back_at: dict[Who, float] = {}
        self._per_second: dict[Callable[[float], None], float] = {
            self._edit: 2.0 * len(cast),
            self._flush: 0.2 * len(cast),
            self._show: 0.1 * len(cast),
            self._cut: 0.1 * len(cast),
            self._stall: 0.1 * len(cast),
            self._pause: 0.08 * len(cast),
            self._leave: 0.04 * len(cast),
            self._crash: 0.03 * len(cast),
            self._flood: 0.5,
            self._restart: 0.3,
            self._freeze: 0.3,
        }

    def write_act(self, seconds: float) -> Act:
        self._steps = []
        self._back_at = dict.fromkeys(self._cast, 0.0)
        at = 0.0
        while (at := at + self._random.expovariate(sum(self._per_second.values()))) < seconds:
            weights = list(self._per_second.values())
            [write] = self._random.choices(list(self._per_second), weights)
            write(at)
        self._steps.sort(key=lambda step: step.at)
        return tuple(step for step in self._steps if step.at < seconds)

    def _add(self, at: float, action: Action) -> None:
        self._steps.append(Step(at, action))

    def _anybody(self) -> Who:
        return self._random.choice(self._cast)

    def _is(self, probability: float) -> bool:
        return self._random.random() < probability

    def _duration(self, longest: float) -> float:
        """Return a duration, short ones as often as long ones."""
        return float(longest * 100 ** -self._random.random())

    def _edit(self, at: float) -> None:
        # More than are recorded one by one, at times.
        count = self._random.choice([1, 1, 1, 2, 3, 12])
        who = self._anybody()
        self._add(at, Edits(who, self._some_edits(count)))
        if self._is(0.1):
            self._fret(at, who)

    def _fret(self, at: float, who: Who) -> None:
        """Ask again and again whether everything has arrived, and edit while asking."""
        for _ in range(4):
            self._add(at, Flush(who))
            at += self._random.uniform(0.0, 0.08)
            self._add(at, Edits(who, self._some_edits(1)))
            at += self._random.choice([0.0, 0.01, 0.03])

    def _some_edits(self, count: int) -> tuple[Edit, ...]:
        return tuple(self._one_edit() for _ in range(count))

    def _one_edit(self, deed: Deed | None = None) -> Edit:
        deed = deed or self._random.choice(list(Deed))
        return Edit(deed, self._random.random(), self._random.randint(1, 20))

    def _flood(self, at: float) -> None:
        who = self._random.choice(self._crowd)
        size = self._random.choice([20, 20, 500, 8000])
        self._add(at, Flood(who, turns=250, size=size, pace=0.003))
        # Some do not read meanwhile, but will.
        others = [other for other in self._crowd if other.room == who.room and other is not who]
        for other in self._random.sample(others, 2):
            self._add(at, Pause(other) if self._is(0.5) else Stall(other, up=False, down=True))
            self._add(at + self._random.uniform(0.5, 3.0), Resume(other))
        if self._is(0.3):
            self._add(at, Stall(who, up=True, down=False))
            self._add(at + self._random.uniform(0.5, 2.0), Resume(who))

    def _flush(self, at: float) -> None:
        self._add(at, Flush(self._anybody()))

    def _show(self, at: float) -> None:
        self._add(at, Show(self._anybody()))

    def _cut(self, at: float) -> None:
        after = 0 if self._is(0.5) else self._random.randint(1, 3000)
        self._add(at, Cut(self._anybody(), after))

    def _stall(self, at: float) -> None:
        up, down = self._random.choice([(True, True), (True, False), (False, True)])
        who = self._anybody()
        self._add(at, Stall(who, up, down))
        self._end_stall(at, who)

    def _pause(self, at: float) -> None:
        who = self._anybody()
        self._add(at, Pause(who))
        self._end_stall(at, who)

    def _end_stall(self, at: float, who: Who) -> None:
        at += self._duration(4.0)
        if self._is(0.2):
            # What the network had taken never arrives.
            self._add(at, Cut(who, 0))
        self._add(at, Resume(who))

    def _leave(self, at: float) -> None:
        if (who := self._visitor(at)) is not None:
            self._add(at, Leave(who))
            self._come_back(at, who, with_new_document=self._is(0.5))

    def _crash(self, at: float) -> None:
        if (who := self._visitor(at)) is not None:
            self._add(at, Crash(who, is_process=self._is(0.7)))
            self._come_back(at, who, with_new_document=True)

    def _visitor(self, at: float) -> Who | None:
        # The rooms of hermits close behind them.
        who = self._random.choice(self._hermits) if self._is(0.3) else self._anybody()
        return None if who.is_resident or self._back_at[who] > at else who

    def _come_back(self, at: float, who: Who, *, with_new_document: bool) -> None:
        self._back_at[who] = at + self._duration(4.0)
        self._add(self._back_at[who], Join(who, with_new_document))

    def _freeze(self, at: float) -> None:
        room = self._random.choice(ROOMS)
        self._add(at, Freeze(room))
        at += self._duration(2.0)
        self._add(at, Thaw(room))
        for who in self._random.sample([who for who in self._crowd if who.room == room], 3):
            self._defy(at, who)

    def _defy(self, at: float, who: Who) -> None:
        """Delete what must not be deleted yet, and ask before and after it may be."""
        self._add(max(at - self._duration(0.1), 0.0), Edits(who, (self._one_edit(Deed.SPEND),)))
        for _ in range(3):
            self._add(max(at + self._random.uniform(-0.02, 0.02), 0.0), Flush(who))

    def _restart(self, at: float) -> None:
        wires: Sequence[str] = self._wires
        fate = self._random.choice([Fate.KEPT, Fate.KEPT, Fate.KEPT, Fate.RELOADED, Fate.LOST])
        if fate is Fate.KEPT and self._is(0.8):
            wires = [self._random.choice(wires)]
        downtime = self._duration(2.0)
        self._add(at, Restart(tuple(wires), fate, downtime, is_crash=self._is(0.5)))
