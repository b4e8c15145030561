"""How a process is: its memory, how long its event loop stood still, and what it complained of."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
from time import thread_time
from typing import NamedTuple, Never

from anyio import sleep

__all__ = ["Report", "Vitals", "allocated", "spare_what_is_there"]

TICK = 0.002
"""How often the event loop is looked at, in seconds."""

KEPT_COMPLAINTS = 20

MALLINFO2 = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)
"""The fields of the GNU C library's `struct mallinfo2`."""


class Report(NamedTuple):
    """How a process is; stall and complaints are those since the last report."""

    pid: int
    memory: int
    """What is allocated; see `allocated`."""

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
        report = Report(os.getpid(), allocated(), self._stall, self._complaints)
        self._stall, self._complaints = 0.0, []
        # To report is no stall.
        self._watched = thread_time()
        return report

    def _look(self) -> None:
        self._stall = max(self._stall, thread_time() - self._watched)


def spare_what_is_there() -> None:
    """Have the garbage collector pass by all that there is now, which makes it quick."""
    gc.collect()
    gc.freeze()


def allocated() -> int:
    """Return what this process has allocated, in KiB; 0 where the C library does not tell.

    Python's own allocator asks the C library for much at a time: do without it (PYTHONMALLOC).
    """
    gc.collect()
    if not hasattr(library := ctypes.CDLL(None), "mallinfo2"):
        return 0
    library.mallinfo2.restype = _Allocated
    told = library.mallinfo2()
    return int(told.uordblks + told.hblkhd) // 1024


class _Allocated(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO2)
