"""Tell whether a change has made the websocket server dearer: run it before and after.

A few short scenarios run in turn against our server and the floors; only ratios to a floor of the
same run are looked at, so the machine hardly matters. The limits are above what was seen, by about
as much as two runs of the same code differ. It takes two minutes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import anyio

# Neither the benchmarks nor the examples are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks.load.running import measure, raise_file_limit
from benchmarks.load.scenarios import SCENARIOS
from benchmarks.report.results import Comparison, Result

OURS, FLOOR = "ywire", "relay"
ROUNDS = 5


@dataclass(frozen=True)
class Limit:
    """What one figure of a scenario may be at most, in relation to that of the relay."""

    scenario: str
    figure: str
    what: str
    most: float


LIMITS = [
    Limit("flood", "cpu_per_delivery", "CPU of a delivery in a flood", 0.1),
    Limit("steady", "cpu_per_delivery", "CPU of a delivery of a lone keystroke", 1.9),
    Limit("rooms", "cpu_per_delivery", "CPU of a delivery in a room of two", 3.0),
    Limit("joiners", "cpu_per_delivery", "CPU of a joiner", 0.7),
]

OPTIONS: dict[str, dict[str, Any]] = {
    "steady": {"seconds": 3.0},
    "rooms": {"seconds": 3.0},
    "joiners": {"joiners": 50},
}


def main() -> int:
    """Measure, tell, and return 1 if something is over its limit."""
    raise_file_limit()
    failed = False
    for limit in LIMITS:
        ratio = _ratio(limit)
        is_over = ratio > limit.most
        failed = failed or is_over
        verdict = "OVER ITS LIMIT" if is_over else "ok"
        print(f"{limit.what}: {ratio:.3g} of the relay's, at most {limit.most} : {verdict}")
    return int(failed)


def _ratio(limit: Limit) -> float:
    options = OPTIONS.get(limit.scenario, {})
    results = [Result(peer, peer, limit.scenario, options) for peer in (OURS, FLOOR)]
    scenario = SCENARIOS[limit.scenario]
    comparison = Comparison(limit.scenario, scenario.title, scenario.columns, results)
    anyio.run(measure, comparison, ROUNDS)
    ours, floor = ([run for run in result.runs if not run.faults] for result in results)
    if len(ours) + len(floor) < 2 * ROUNDS:
        raise SystemExit(f"{limit.scenario}: invalid runs: {[r.runs for r in results]}")
    pairs = zip(ours, floor, strict=True)
    return median(a.figures[limit.figure] / b.figures[limit.figure] for a, b in pairs)


if __name__ == "__main__":
    sys.exit(main())
