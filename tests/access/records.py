"""All that log records hold."""

from __future__ import annotations

import logging
from collections.abc import Iterable

__all__ = ["everything_in"]

FORMATTER = logging.Formatter()


def everything_in(records: Iterable[logging.LogRecord]) -> str:
    """Return all of it as a text: message, traceback, arguments, and what else is kept."""
    return "\n".join(f"{FORMATTER.format(record)}\n{vars(record)}" for record in records)
