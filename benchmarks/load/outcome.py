"""What a run of a scenario gives back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

__all__ = ["CPU", "FLOOR", "GROWTH", "LATENCIES", "LOAD", "RATE", "Column", "Outcome"]

_MILLI, _MICRO, _MEGA = 1e3, 1e6, 1e-6
_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Column:
    """A figure in a table."""

    key: str
    """Its name in `Outcome.figures`."""

    title: str
    scale: float = 1.0
    is_compared: bool = True
    """Whether to tell its ratio to that of another server."""


CPU = Column("cpu_per_delivery", "CPU µs / delivery", _MICRO)
RATE = Column("deliveries_per_second", "deliveries/s")
LATENCIES = tuple(Column(f"p{n}", f"p{n} ms", _MILLI) for n in _PERCENTILES)
FLOOR = Column("floor", "pycrdt alone, µs / edit", _MICRO, is_compared=False)
GROWTH = Column("peak_growth", "memory MB", _MEGA)
LOAD = (
    Column("load_cpu", "load CPU s", is_compared=False),
    Column("load_share", "load busy %", 100, is_compared=False),
)


@dataclass
class Outcome:
    """The figures of one run, in seconds and bytes, and what went wrong."""

    figures: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    """What clients lack. A run with any is invalid: its figures say nothing."""

    notes: list[str] = field(default_factory=list)
    """What is worth knowing, though no client lacks anything."""

    def add_latencies(self, latencies: Sequence[float]) -> None:
        """Add percentiles."""
        if len(latencies) > 1:
            cuts = quantiles(latencies, n=100, method="inclusive")
            self.figures |= {f"p{n}": cuts[n - 1] for n in _PERCENTILES}

    def add_faults(self, faults: Iterable[str]) -> None:
        """Add what went wrong."""
        self.faults += faults
