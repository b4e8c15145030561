"""What a process holds: tasks, threads, open files, memory, and the objects of this project."""

from __future__ import annotations

import gc
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from anyio import get_running_tasks

__all__ = ["Census", "take_census"]

PACKAGES = {"pycrdt", "ycore", "ywire_memory", "ywire_websocket", "ywire_zmq"}

PROCESS = Path("/proc/self")

STRAYS = 3
"""So many objects of a class may be left: a task may still have the last one in a variable."""


@dataclass(frozen=True)
class Census:
    """What a process holds at one moment."""

    tasks: int
    threads: int
    files: int
    """Open file descriptors, sockets included."""
    memory: int
    """What is in memory (RSS), in KiB."""
    objects: dict[str, int]
    """How many instances there are of each class of this project and of pycrdt."""

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
        if str(kind.__module__).partition(".")[0] in PACKAGES
    }


def _memory() -> int:
    status = (PROCESS / "status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1])
