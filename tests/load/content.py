"""What the writers of the tests write, and what the readers must have in the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from anyio.abc import TaskGroup
from pycrdt import Array, Doc, TransactionEvent

from tests.load.peers import Peer
from ycore.protocol import Kind, decode

__all__ = ["Content", "check_content", "receive_all_of"]


class Content:
    """Numbered texts of a size, and an update that appends each to the document."""

    def __init__(self, count: int, size: int) -> None:
        self.texts = [f"<{number}>".ljust(size, ".") for number in range(count)]
        self.updates: list[bytes] = []
        self.size = count * size
        self.last = f"<{count - 1}>".encode()
        """What is in the last update only."""
        doc: Doc[Any] = Doc()
        subscription = doc.observe(self._take)
        array = doc.get("array", type=Array)
        for text in self.texts:
            array.append(text)
        doc.unobserve(subscription)

    def _take(self, event: TransactionEvent) -> None:
        self.updates.append(event.update)


def receive_all_of(content: Content, peers: Iterable[Peer], tasks: TaskGroup) -> None:
    """Have peers receive until each has the last update."""
    for peer in peers:
        tasks.start_soon(peer.receive_until, content.last)


def check_content(peers: Iterable[Peer], content: Content) -> None:
    """Check that what each has received makes the document that was written, and no other."""
    # Most have received the same, and to make a document of it takes time.
    for frames in {tuple(peer.frames) for peer in peers}:
        assert _texts_of(frames) == content.texts


def _texts_of(frames: Sequence[bytes]) -> list[Any]:
    doc: Doc[Any] = Doc()
    for frame in frames:
        for kind, payload in decode(frame):
            if kind in (Kind.STEP2, Kind.UPDATE):
                doc.apply_update(payload)
    return list(doc.get("array", type=Array))
