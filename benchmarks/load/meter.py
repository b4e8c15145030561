"""Measure what a server and the load generator take in a block."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter, process_time

from benchmarks.load.processes import Group

__all__ = ["Meter", "metering"]


@dataclass
class Meter:
    """What was measured, in seconds and bytes; there once the block has ended."""

    server: Group
    start: float = field(default_factory=perf_counter)
    end: float | None = None
    """When it was over; a block may say so itself, by default it is when it has ended."""

    server_cpu: float = 0.0
    load_cpu: float = 0.0
    peak_growth: int = 0
    growth: int = 0

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (perf_counter() if self.end is None else self.end) - self.start

    def figures(self, deliveries: int) -> dict[str, float]:
        """Return the figures that most scenarios have.

        Args:
            deliveries: How many updates reached a client each.
        """
        return {
            "deliveries": deliveries,
            "seconds": self.seconds,
            "server_cpu": self.server_cpu,
            "cpu_per_delivery": self.server_cpu / deliveries,
            "deliveries_per_second": deliveries / self.seconds,
            "peak_growth": self.peak_growth,
            "load_cpu": self.load_cpu,
            "load_share": self.load_cpu / self.seconds,
        }


@contextmanager
def metering(server: Group) -> Iterator[Meter]:
    """Measure a block, in which the garbage collector of this process is off."""
    gc.collect()
    gc.disable()
    server.forget_peak()
    memory, server_cpu, load_cpu = server.memory, server.cpu, process_time()
    meter = Meter(server)
    try:
        yield meter
    finally:
        meter.end = meter.end or perf_counter()
        meter.load_cpu = process_time() - load_cpu
        meter.server_cpu = server.cpu - server_cpu
        meter.growth, meter.peak_growth = server.memory - memory, server.peak - memory
        gc.enable()
