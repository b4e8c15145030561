"""What a process holds: tasks, threads, open files, memory, and objects."""

from __future__ import annotations

import ctypes
import gc
import os
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from functools import _lru_cache_wrapper
from pathlib import Path

from anyio import get_running_tasks

__all__ = ["Census", "take_census"]

PACKAGES = {
    "aiohttp",
    "pycrdt",
    "socket",
    "ycore",
    "ywire_memory",
    "ywire_websocket",
    "ywire_zmq",
    "zmq",
}

PROCESS = Path("/proc/self")

MALLINFO2 = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)
"""The fields of the GNU C library's `struct mallinfo2`."""

STRAYS = 3
"""So many objects of a class may be left, however many have come: a task may still have the last
one in a variable."""


@dataclass(frozen=True)
class Census:
    """What a process holds at one moment."""

    tasks: int
    threads: int
    files: int
    """Open file descriptors, sockets included."""
    memory: int
    """What is allocated, in KiB; where the C library does not tell, what is in memory.

    Python's own allocator asks the C library for much at a time: do without it (PYTHONMALLOC).
    """
    objects: dict[str, int]
    """How many instances there are of each class of this project and of what it builds on."""

    def beyond(self, other: Census) -> dict[str, int]:
        """Return what there is more of than in another census, the memory left aside."""
        more = {
            "tasks": self.tasks - other.tasks,
            "threads": self.threads - other.threads,
            "files": self.files - other.files,
        }
        for name, count in self.objects.items():
            excess = count - other.objects.get(name, 0)
            more[name] = excess if excess > STRAYS else 0
        return {name: excess for name, excess in more.items() if excess > 0}


def take_census() -> Census:
    """Count what this process holds, once what nobody needs is gone."""
    for cache in [item for item in gc.get_objects() if isinstance(item, _lru_cache_wrapper)]:
        # What it holds is not left behind: there is only so much of it.
        if cache.cache_parameters()["maxsize"] is not None:
            cache.cache_clear()
    gc.collect()
    return Census(
        tasks=len(get_running_tasks()),
        threads=len(os.listdir(PROCESS / "task")),
        files=len(os.listdir(PROCESS / "fd")),
        memory=_memory(),
        objects=_objects(),
    )


def _objects() -> dict[str, int]:
    kinds = Counter(map(type, gc.get_objects()))
    return {
        f"{kind.__module__}.{kind.__qualname__}": count
        for kind, count in kinds.items()
        # An enumeration keeps its members, combinations of flags included.
        if str(kind.__module__).partition(".")[0] in PACKAGES and not issubclass(kind, Enum)
    }


def _memory() -> int:
    if hasattr(libc := ctypes.CDLL(None), "mallinfo2"):
        libc.mallinfo2.restype = _Allocated
        allocated = libc.mallinfo2()
        return int(allocated.uordblks + allocated.hblkhd) // 1024
    status = (PROCESS / "status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1])


class _Allocated(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in MALLINFO2)
