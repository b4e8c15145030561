"""What the processes of a server have taken, as Linux counts it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Group"]

_PROC = Path("/proc")
_KIB = 1024
_CPUCLOCK_SCHED = 2


@dataclass(frozen=True)
class Group:
    """The processes of a process group, which do not change while it is measured."""

    pids: tuple[int, ...]

    @classmethod
    def of(cls, leader: int) -> Group:
        """Find the processes that are in the group of one of them."""
        group = os.getpgid(leader)
        found = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        return cls(tuple(pid for pid in found if pid == leader or _group_of(pid) == group))

    @property
    def cpu(self) -> float:
        """The CPU time until now, of all threads, in user mode and in the system, in seconds."""
        return sum(_cpu(pid) for pid in self.pids)

    @property
    def memory(self) -> int:
        """The resident memory now, in bytes."""
        return self._sum("VmRSS")

    @property
    def peak(self) -> int:
        """The most resident memory since `forget_peak`, in bytes."""
        return self._sum("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin anew: see proc_pid_clear_refs(5)."""
        for pid in self.pids:
            (_PROC / str(pid) / "clear_refs").write_text("5")

    def _sum(self, field: str) -> int:
        return sum(_memory(pid, field) for pid in self.pids)


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _cpu(pid: int) -> float:
    # The sum of utime and stime of /proc/PID/stat, which has steps of 10 ms, in nanoseconds:
    # what clock_getcpuclockid(3) would return for the process.
    return time.clock_gettime(~pid << 3 | _CPUCLOCK_SCHED)


def _memory(pid: int, field: str) -> int:
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.removesuffix("kB")) * _KIB
    raise LookupError(field)
