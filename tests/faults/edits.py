"""Where everybody writes."""

from __future__ import annotations

from typing import Any

from pycrdt import Array, Doc

__all__ = ["edits_of"]


def edits_of(doc: Doc[Any]) -> Array[str]:
    """Return all that was written, in the order of the document."""
    edits: Array[str] = doc.get("edits", type=Array)
    return edits
