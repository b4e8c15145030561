"""What all scenarios have in common."""

from __future__ import annotations

from dataclasses import field
from typing import Any, ClassVar, Protocol

from benchmarks.load.crowd import Target
from benchmarks.load.outcome import Column, Outcome

__all__ = ["Scenario", "option"]


class Scenario(Protocol):
    """Something that happens to a server: a frozen dataclass whose fields are its options."""

    title: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    """What to tell of it."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    async def run(self, target: Target) -> Outcome:
        """Let it happen to a new server, and measure."""


def option(default: Any, text: str, *, scales: bool = False) -> Any:
    """Make an option of a scenario.

    Args:
        default: Its value, if none is given.
        text: What to say of it in a help.
        scales: Whether there is less of it in a run that is scaled down.
    """
    return field(default=default, metadata={"help": text, "scales": scales})
