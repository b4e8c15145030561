"""Check, after the clock, that every client has received what was written, and when."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

from pycrdt import Doc, Text

from benchmarks.load.client import Client
from benchmarks.load.content import MARKS, Author, Edit
from benchmarks.load.state import clocks_of
from examples.replay.traces import TEXT
from ycore.protocol import Kind, decode

__all__ = ["Check"]

_NOTHING = b"\x00\x00"


class Check:
    """Applies what clients received, and compares it with what an author has written.

    Clients that received the same bytes are seen to have the same document: that is made once.
    """

    def __init__(self, author: Author, edits: Sequence[Edit]) -> None:
        self._author = author
        self._clocks = [edit.clock for edit in edits]
        self._marker = edits[-1].marker
        self._replicas: dict[Client, _Replica] = {}
        self._known: dict[tuple[str, bytes], _Replica] = {}

    def faults(self, clients: Iterable[Client]) -> list[str]:
        """Return what is wrong: an entry for each client that lacks something."""
        found = ((client, self._fault(client)) for client in clients)
        return [f"{client.name} {fault}" for client, fault in found if fault is not None]

    def latencies(
        self, clients: Iterable[Client], edits: Sequence[Edit], sent: Sequence[float]
    ) -> list[float]:
        """Return how long each edit took to each client.

        Args:
            clients: Clients without a fault, which kept stamps of all of this.
            edits: The edits.
            sent: When each of them was sent.
        """
        return [
            self._arrival(client, edit) - time
            for client in clients
            for edit, time in zip(edits, sent, strict=True)
        ]

    def _arrival(self, client: Client, edit: Edit) -> float:
        replica = self._replica(client)
        # The first update that completes it, and the first bytes that complete that one.
        return client.arrival(replica.ends[bisect_left(replica.clocks, edit.clock)])

    def _fault(self, client: Client) -> str | None:
        replica = self._replica(client)
        if client.lost is not None:
            return f"lost its connection: {client.lost}"
        if replica.fault is not None:
            return replica.fault
        clocks, written = clocks_of(replica.doc), clocks_of(self._author.doc)
        clock = clocks.get(self._author.doc.client_id, 0)
        if clock < self._author.clock:
            whole = bisect_right(self._clocks, clock)
            end = "then a gap" if self._marker in client.received else "and no more came"
            return f"has {whole} of {len(self._clocks)} edits, {end}"
        if clocks != written:
            return f"has changes that nobody made: {clocks} instead of {written}"
        if replica.content != _content(self._author.doc):
            return "has another content"
        return None

    def _replica(self, client: Client) -> _Replica:
        if client not in self._replicas:
            key = client.room, hashlib.blake2b(client.received).digest()
            if key not in self._known:
                self._known[key] = _Replica(client, self._author.doc.client_id)
            self._replicas[client] = self._known[key]
        return self._replicas[client]


class _Replica:
    """The document of a client."""

    def __init__(self, client: Client, writer: int) -> None:
        self.doc: Doc[Any] = Doc()
        self.clocks: list[int] = []
        """So much of the writer was there after each update."""

        self.ends: list[int] = []
        """Where the frame of each update ended in what was received."""

        self.fault: str | None = None
        try:
            self._apply(client, writer)
        except ValueError as exc:
            self.fault = f"received what cannot be read: {exc}"
        self.content = _content(self.doc)

    def _apply(self, client: Client, writer: int) -> None:
        for message, end in client.messages():
            for kind, payload in decode(message):
                if kind is Kind.DENIED:
                    self.fault = f"was refused: {payload!r}"
                if kind in (Kind.STEP2, Kind.UPDATE) and payload != _NOTHING:
                    self.doc.apply_update(payload)
                    self.clocks.append(clocks_of(self.doc).get(writer, 0))
                    self.ends.append(end)


def _content(doc: Doc[Any]) -> list[str]:
    return [str(doc.get(name, type=Text)) for name in (TEXT, MARKS)]
