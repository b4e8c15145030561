"""Waiting for what a shared document becomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio import Event
from pycrdt import Decoder, Doc, TransactionEvent

__all__ = ["clocks", "wait_until"]


async def wait_until(doc: Doc[Any], condition: Callable[[], bool]) -> None:
    """Wait until a condition on a document holds, looking again after its changes."""
    changed = Event()

    def on_change(event: TransactionEvent) -> None:
        changed.set()

    subscription = doc.observe(on_change)
    try:
        while not condition():
            await changed.wait()
            changed = Event()
    finally:
        # A subscription keeps the document alive for ever.
        doc.unobserve(subscription)


def clocks(doc: Doc[Any]) -> dict[int, int]:
    """Return how much a document has of each client: its state vector."""
    decoder = Decoder(doc.get_state())
    count = decoder.read_var_uint()
    return {decoder.read_var_uint(): decoder.read_var_uint() for _ in range(count)}
