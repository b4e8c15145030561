"""Updates that have arrived, and where they came from."""

from __future__ import annotations

import logging
from typing import NamedTuple, Protocol

from .extent import Extent

__all__ = ["Absent", "Received", "Source"]

logger = logging.getLogger("ycore.room")


class Source(Protocol):
    """Where an update came from."""

    def refuse(self, error: Exception) -> None:
        """Be told that an update was not accepted."""

    def ask_again(self) -> None:
        """Be told that something before an update is missing."""


class Absent(Source):
    """Stands for whoever sent what has waited: they may have left, and had been asked again."""

    def refuse(self, error: Exception) -> None:
        """Tell it to the operator."""
        logger.warning("an update that had to wait was not accepted: %s", error)

    def ask_again(self) -> None:
        """Ask nobody."""


class Received(NamedTuple):
    """An update that has arrived."""

    update: bytes
    extent: Extent
    source: Source
    complete: bool
    """Whether it is all that the source has: no use to ask it for more."""
