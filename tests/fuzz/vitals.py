"""How a process is: its memory, how long its event loop stood still, and what it complained of."""

from __future__ import annotations

import gc
import logging
import os
from pathlib import Path
from time import thread_time
from typing import NamedTuple, Never

from anyio import sleep

__all__ = ["Report", "Vitals"]

TICK = 0.002
"""How often the event loop is looked at, in seconds."""

KEPT_COMPLAINTS = 20

STATUS = Path("/proc/self/status")


class Report(NamedTuple):
    """How a process is; stall and complaints are those since the last report."""

    pid: int
    memory: int
    """What is resident, in KiB; 0 where the system does not tell."""

    stall: float
    """The longest time for which no other task had its turn, in seconds of this thread: what other
    processes or threads take is not in it."""

    complaints: list[str]
    """What was logged as an error, or warned of by Python."""


class Vitals(logging.Handler):
    """Watches the process and the event loop that it is in."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._watched = 0.0
        self._stall = 0.0
        self._complaints: list[str] = []
        logging.captureWarnings(True)
        logging.getLogger().addHandler(self)

    async def watch(self) -> Never:
        """Look at the event loop until cancelled."""
        while True:
            self._watched = thread_time()
            await sleep(TICK)
            self._look()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep what nobody should have caused."""
        is_fault = record.levelno >= logging.ERROR or record.name == "py.warnings"
        if is_fault and len(self._complaints) < KEPT_COMPLAINTS:
            self._complaints.append(self.format(record))

    def report(self) -> Report:
        """Tell how the process is now."""
        self._look()
        gc.collect()
        report = Report(os.getpid(), _resident(), self._stall, self._complaints)
        self._stall, self._complaints = 0.0, []
        # To report is no stall.
        self._watched = thread_time()
        return report

    def _look(self) -> None:
        self._stall = max(self._stall, thread_time() - self._watched)


def _resident() -> int:
    if not STATUS.exists():
        return 0
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
