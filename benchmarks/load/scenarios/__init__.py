"""What can happen to a server."""

from __future__ import annotations

from benchmarks.load.scenarios.base import Scenario
from benchmarks.load.scenarios.flood import Flood, Trace
from benchmarks.load.scenarios.idle import Idle
from benchmarks.load.scenarios.joiners import Joiners, Storm
from benchmarks.load.scenarios.presence import Presence
from benchmarks.load.scenarios.sleeper import Sleeper
from benchmarks.load.scenarios.typing import Rooms, Steady

__all__ = ["SCENARIOS", "Scenario"]

SCENARIOS: dict[str, type[Scenario]] = {
    "flood": Flood,
    "steady": Steady,
    "rooms": Rooms,
    "joiners": Joiners,
    "storm": Storm,
    "sleeper": Sleeper,
    "idle": Idle,
    "presence": Presence,
    "trace": Trace,
}
"""All scenarios, by their names."""
