"""Log lines on standard error, for as long as a command runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["log_level", "logging_to_stderr"]

STEP = logging.WARNING - logging.INFO

OURS = ("ycore", "ywire")
"""The parents of the loggers of this project; all others speak when they warn."""


def log_level(normal: int, verbosity: int) -> int:
    """Return a level of `logging`.

    Args:
        normal: What a command logs if it is not told otherwise.
        verbosity: How many steps more, or less if negative.
    """
    return min(max(normal - STEP * verbosity, logging.DEBUG), logging.CRITICAL)


@contextmanager
def logging_to_stderr(level: int, *, others: int = logging.WARNING) -> Iterator[None]:
    """Log to standard error, in this process.

    Args:
        level: From which level on.
        others: The same for loggers that are not this project's.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    levels: dict[str | None, int] = {None: max(level, others)}
    levels.update(dict.fromkeys(OURS, level))
    before = {name: logging.getLogger(name).level for name in levels}
    logging.getLogger().addHandler(handler)
    _set_levels(levels)
    try:
        yield
    finally:
        _set_levels(before)
        logging.getLogger().removeHandler(handler)


def _set_levels(levels: dict[str | None, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
