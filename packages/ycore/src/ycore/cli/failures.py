"""How a command fails: the exceptions that end it, and their words for a person."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["CommandError", "OutputClosed", "UsageError", "describe", "leaves"]


class CommandError(Exception):
    """A command cannot do what it was asked for."""


class UsageError(CommandError):
    """A command was asked for something that makes no sense."""


class OutputClosed(Exception):  # noqa: N818 - no failure: `ycore … | head -1` is a way to stop
    """Whoever read standard output has gone away."""


def describe(error: BaseException) -> str:
    """Return what an exception says, in words for a person."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Iterate over the exceptions inside a group, or over an exception that is none."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error
