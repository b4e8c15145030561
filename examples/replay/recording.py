"""The updates of each writer of a trace: what several writers at once send over a network.

The positions of a transaction hold in a document that has its parents and nothing else, but a
document that is shared live may have more by then. So the trace is first replayed here, one
document for each writer, to get the update that each transaction made. In whatever order the
updates arrive, each means what its writer meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pycrdt import Doc, TransactionEvent

from .traces import Editor, Trace, Transaction
from .watching import clocks

__all__ = ["Step", "record"]


class Step(NamedTuple):
    """One transaction of a writer."""

    update: bytes
    seconds: float
    """When, counted from the start."""

    needs: Mapping[int, int]
    """The clocks that its writer had newly seen of the others: they must be there before it.

    Deletions have no clocks: a document may lack those and take the step all the same.
    """


def record(trace: Trace) -> list[list[Step]]:
    """Return the steps of each writer.

    Raises:
        ValueError: The trace is not one of writers who each see all that they wrote before, or
            it does not lead to its end.
    """
    is_ascii = trace.is_ascii
    writers = [_Writer(agent, is_ascii) for agent in range(trace.agents)]
    # What a transaction knows: how many transactions of each writer, itself included.
    versions: list[list[int]] = []
    for transaction in trace.transactions:
        parents = [versions[parent] for parent in transaction.parents]
        version = [max(counts) for counts in zip(*parents, strict=True)] or [0] * trace.agents
        writer = writers[transaction.agent]
        if version[transaction.agent] != len(writer.steps):
            raise ValueError(f"writer {transaction.agent} of {trace.name!r} branches")
        needs = writer.merge(writers, version)
        writer.write(transaction, needs)
        version[transaction.agent] += 1
        versions.append(version)
    last = writers[0]
    last.merge(writers, [len(writer.steps) for writer in writers])
    if str(last.editor.text) != trace.end_content:
        raise ValueError(f"the trace {trace.name!r} does not lead to its end")
    return [writer.steps for writer in writers]


class _Writer:
    """One writer's document while the trace is replayed."""

    def __init__(self, agent: int, is_ascii: bool) -> None:
        self.client = agent + 1
        self.doc: Doc[Any] = Doc(client_id=self.client)
        self.editor = Editor(self.doc, is_ascii=is_ascii)
        self.steps: list[Step] = []
        self.clocks: list[int] = []
        """The writer's own clock after each step."""
        self.seen: dict[int, int] = {}
        """How many steps of each other writer the document has."""

    def merge(self, writers: Sequence[_Writer], version: Sequence[int]) -> dict[int, int]:
        """Apply what the document lacks of a version; return the clocks this brought."""
        needs: dict[int, int] = {}
        with self.doc.transaction():
            for other, count in zip(writers, version, strict=True):
                seen = self.seen.get(other.client, 0)
                if other is not self and count > seen:
                    for step in other.steps[seen:count]:
                        self.doc.apply_update(step.update)
                    self.seen[other.client] = count
                    needs[other.client] = other.clocks[count - 1]
        return needs

    def write(self, transaction: Transaction, needs: Mapping[int, int]) -> None:
        updates: list[bytes] = []

        def take(event: TransactionEvent) -> None:
            updates.append(event.update)

        subscription = self.doc.observe(take)
        try:
            self.editor.apply(transaction.patches)
        finally:
            self.doc.unobserve(subscription)
        (update,) = updates
        self.steps.append(Step(update, transaction.seconds, needs))
        self.clocks.append(clocks(self.doc).get(self.client, 0))
