"""What was measured, and how it is written to a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.load.outcome import Column

__all__ = ["Comparison", "Result", "Run", "write_json"]


@dataclass(frozen=True)
class Run:
    """One run of a scenario against one server."""

    load_average: float
    """That of the machine, right before."""

    figures: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Result:
    """All runs of a scenario against one server, by round."""

    label: str
    """What to call it among those that it is compared with."""

    peer: str
    scenario: str
    options: dict[str, Any]
    runs: list[Run] = field(default_factory=list)

    @property
    def valid(self) -> list[Run]:
        """The runs in which no client lacked anything."""
        return [run for run in self.runs if not run.faults]


@dataclass(frozen=True)
class Comparison:
    """What is compared in one table."""

    name: str
    title: str
    columns: tuple[Column, ...]
    results: list[Result]
    axis: str = ""
    """The option that grows from one result to the next, if they are of the same server."""


def write_json(file: Path, environment: dict[str, str], comparisons: Sequence[Comparison]) -> None:
    """Write all there is; figures are in seconds and bytes."""
    content = {"environment": environment, "comparisons": [asdict(each) for each in comparisons]}
    file.write_text(json.dumps(content, indent=2) + "\n")
