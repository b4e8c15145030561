"""Wait until a document or an awareness is as a test wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from anyio import Event, move_on_after
from pycrdt import Awareness, Doc

__all__ = ["until"]

SHOWN = 1000
"""So many characters of the content are shown in a failure."""


async def until(
    watched: Doc[Any] | Awareness,
    condition: Callable[[], object],
    *,
    timeout: float = 5.0,  # noqa: ASYNC109 - its failure shows the content
) -> None:
    """Wait until a condition holds, looking at it after every change of what is watched.

    Args:
        watched: The document, or the awareness, that makes the condition true.
        condition: What has to hold, for instance `lambda: str(text) == "Hello"`.
        timeout: How long to wait, in seconds.

    Raises:
        AssertionError: It did not hold in time; the message shows what was there instead.
    """
    with _changes_of(watched) as changed, move_on_after(timeout):
        while not condition():
            changed[0] = Event()
            await changed[0].wait()
    # Once more: the last change may have come with the end of the time.
    if not condition():
        raise AssertionError(f"not within {timeout} s; there was: {_content(watched)}")


@contextmanager
def _changes_of(watched: Doc[Any] | Awareness) -> Iterator[list[Event]]:
    """Give a cell whose event is set by the next change."""
    changed = [Event()]

    def notice(*_: object) -> None:
        changed[0].set()

    subscription: Any = watched.observe(notice)
    try:
        yield changed
    finally:
        watched.unobserve(subscription)


def _content(watched: Doc[Any] | Awareness) -> str:
    if isinstance(watched, Awareness):
        content = f"states {watched.states!r}"
    else:
        content = ", ".join(f"{name} = {value}" for name, value in watched.items())
    if len(content) > SHOWN:
        return f"{content[:SHOWN]}... ({len(content)} characters)"
    return content or "nothing"
