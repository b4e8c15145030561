"""A load generator: raw clients, and what they do to a server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Task"]


@dataclass(frozen=True)
class Task:
    """What the process of the load generator is to do."""

    server: str
    scenario: str
    options: dict[str, Any]
    pid: int | None = None
    """A process of the server, whose whole group is measured; None if it is to run in there."""

    port: int = 0
