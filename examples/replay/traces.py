"""Recordings of people writing text, read from files, and typed again into a shared text.

The files are those of the public collection josephg/editing-traces.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Self

from pycrdt import Doc, Text

__all__ = ["DATA", "Editor", "Patch", "Trace", "Transaction", "read_trace"]

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Where the traces are: `../shared/data` from the project's root."""

TEXT = "text"
"""The name of the text in the shared document."""


LONGEST_PAUSE = 2.0
"""So much remains of a pause of the writers, in seconds: some went away for days."""


class Patch(NamedTuple):
    """One edit; positions and lengths count code points."""

    position: int
    deleted: int
    inserted: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one writer did at once."""

    agent: int
    """Which writer."""

    parents: Sequence[int]
    """The transactions that the writer had seen, without those that these imply."""

    seconds: float
    """When, counted from the start, without the longer part of each pause."""

    patches: Sequence[Patch]


@dataclass(frozen=True, slots=True)
class Trace:
    """A recording."""

    name: str
    agents: int
    transactions: Sequence[Transaction]
    end_content: str

    @property
    def is_ascii(self) -> bool:
        """Whether all that is ever inserted is ASCII."""
        return all(p.inserted.isascii() for t in self.transactions for p in t.patches)

    def first(self, count: int | None) -> Self:
        """Return the first transactions of a trace of one writer, with what they lead to.

        Raises:
            ValueError: The trace has several writers.
        """
        if self.agents != 1:
            raise ValueError(f"the trace {self.name!r} has {self.agents} writers: use all of it")
        transactions = self.transactions[:count]
        content = ""
        for transaction in transactions:
            for position, deleted, inserted in transaction.patches:
                content = content[:position] + inserted + content[position + deleted :]
        return replace(self, transactions=transactions, end_content=content)


class Editor:
    """Applies patches, which count code points, to a shared text, which counts UTF-8 bytes."""

    def __init__(self, doc: Doc[Any], *, is_ascii: bool = False) -> None:
        """Make an editor.

        Args:
            doc: The document.
            is_ascii: Whether code points are bytes; otherwise the text is read for each patch.
        """
        self.doc = doc
        self.text: Text = doc.get(TEXT, type=Text)
        self.is_ascii = is_ascii

    def apply(self, patches: Iterable[Patch]) -> None:
        """Apply patches one after the other, in one transaction of the document."""
        with self.doc.transaction():
            for position, deleted, inserted in patches:
                start, end = self._offsets(position, position + deleted)
                if deleted:
                    del self.text[start:end]
                if inserted:
                    self.text.insert(start, inserted)

    def _offsets(self, start: int, end: int) -> tuple[int, int]:
        if self.is_ascii:
            return start, end
        content = str(self.text)
        return len(content[:start].encode()), len(content[:end].encode())


def read_trace(path: Path | str) -> Trace:
    """Read a trace.

    Args:
        path: A file, or the name of one of those in `DATA`, for instance "sveltecomponent".

    Raises:
        FileNotFoundError: There is no such file.
    """
    if isinstance(path, str) and path.isalnum():
        path = DATA / f"{path}.json.gz"
    path = Path(path)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        content = json.load(file)
    if content.get("startContent"):
        raise ValueError(f"{path} does not start with an empty text")
    raw = content["txns"]
    seconds = _seconds([transaction["time"] for transaction in raw])
    return Trace(
        name=path.name.partition(".")[0],
        agents=content.get("numAgents", 1),
        transactions=[
            Transaction(
                agent=transaction.get("agent", 0),
                parents=transaction.get("parents", [index - 1] if index else []),
                seconds=seconds[index],
                patches=[Patch(*patch) for patch in transaction["patches"]],
            )
            for index, transaction in enumerate(raw)
        ],
        end_content=content["endContent"],
    )


def _seconds(times: Sequence[str]) -> list[float]:
    """Return the seconds since the start, without the longer part of each pause."""
    stamps = [datetime.fromisoformat(time).timestamp() for time in times]
    pauses = [later - earlier for earlier, later in pairwise(stamps)]
    return list(accumulate((min(max(pause, 0.0), LONGEST_PAUSE) for pause in pauses), initial=0.0))
