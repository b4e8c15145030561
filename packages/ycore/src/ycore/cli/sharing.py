"""`ycore cat`, `ycore watch` and `ycore edit`: clients of one room."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pycrdt import Doc, Text

from ycore.client import ClientWire
from ycore.errors import UnsentEditsError
from ycore.replica import Signal
from ycore.tasks import background_tasks

from .content import content_of, root_of
from .failures import CommandError
from .interrupts import Interrupts, watching_for_interrupts
from .output import emit_slowly, until_reader_leaves

__all__ = ["edit", "read", "watch"]

UNSEEN = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029)}
"""What JSON need not escape but terminals obey, or readers of lines take for an end."""


async def read(client: ClientWire) -> str:
    """Return the content of a room as JSON.

    Args:
        client: The room's client; not yet entered.

    Raises:
        ConnectionError: The server cannot be reached.
    """
    async with client:
        return _to_text(client.doc, indent=2)


async def watch(client: ClientWire) -> None:
    """Write the content of a room as a line of JSON, now and after each change, until interrupted.

    Args:
        client: The room's client; not yet entered.

    Raises:
        ConnectionError: The server cannot be reached, or is lost for good.
        OutputClosed: Nobody reads the lines any more.
    """
    async with watching_for_interrupts() as interrupts, background_tasks() as tasks:
        tasks.start_soon(until_reader_leaves)
        # Nothing is edited here: unsent can be what a server had forgotten and was to get back.
        with interrupts.end_this(), suppress(UnsentEditsError):
            await _watch(client, interrupts)


async def edit(client: ClientWire, name: str, addition: str) -> None:
    """Append to a text of a room; return when the server has it.

    Args:
        client: The room's client; not yet entered.
        name: The name of the text among the roots of the document.
        addition: What to append.

    Raises:
        CommandError: The root is something else.
        ConnectionError: The server cannot be reached, or was lost before it had everything.
    """
    async with client:
        root = root_of(client.doc, name)
        if not isinstance(root, Text | None):
            raise CommandError(f"the root {name!r} is no text: it is of type {type(root).__name__}")
        text = client.doc.get(name, type=Text)
        text += addition
        await client.flush()


async def _watch(client: ClientWire, interrupts: Interrupts) -> None:
    async with client:
        changed = Signal()
        with _observing(client.doc, changed.set), interrupts.end_this():
            await _follow(client.doc, changed)


async def _follow(doc: Doc[Any], changed: Signal) -> None:
    shown = None
    while True:
        state = _to_text(doc)
        if state != shown:
            await emit_slowly(state)
            shown = state
        await changed.wait()


@contextmanager
def _observing(doc: Doc[Any], on_change: Callable[[], None]) -> Iterator[None]:
    subscription = doc.observe(lambda event: on_change())
    try:
        yield
    finally:
        doc.unobserve(subscription)


def _to_text(doc: Doc[Any], indent: int | None = None) -> str:
    text = json.dumps(content_of(doc), indent=indent, sort_keys=True, ensure_ascii=False)
    return text.translate(UNSEEN) + "\n"
