"""Updates that have arrived, and where they came from."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .extent import Extent

__all__ = ["Received", "Source"]


class Source(Protocol):
    """Where an update came from."""

    def refuse(self, error: Exception) -> None:
        """Be told that an update was not accepted."""

    def ask_again(self) -> None:
        """Be told that something before an update is missing."""


class Received(NamedTuple):
    """An update that has arrived."""

    update: bytes
    extent: Extent
    source: Source
    complete: bool
    """Whether it is all that the source has: no use to ask it for more."""
