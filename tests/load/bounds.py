"""What may wait for who does not read."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.load.peers import Peer

__all__ = ["ALLOWANCE", "EACH", "KIB", "MEMORY_MESSAGES", "bounded_memory", "check_waiting"]

KIB = 1024

ALLOWANCE, EACH = 10_000_000, 500_000
"""What the server may need besides the document, in bytes: by itself, and for each sleeper."""

OUTBOX_MESSAGES, OUTBOX_BYTES = 16, 64 * KIB
"""What waits in front of the transport as it came; the last message may go beyond it."""

UNDER_WAY = 2
"""The message that the transport is taking, and the first one that it did not take."""

FEW = {"websocket": 1 / 5, "zmq": 1 / 2}
"""So much of what a reader of some megabytes receives may wait for a sleeper, in messages."""

BATCH = 64 * KIB
"""Small updates that travel as one message are not more than this together."""

MEMORY_MESSAGES = 64
ZMQ_WINDOW = 1024 * KIB
WEBSOCKET_TRANSPORT = 2 * 64 * KIB
"""asyncio's buffer is full at half of it, and aiohttp waits for it after as much again only."""


@contextmanager
def bounded_memory(limit: int) -> Iterator[None]:
    """Fail if Python needs more in a block, here and in a server beside: it holds all messages."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak <= limit


def check_waiting(
    peer: Peer,
    wire: str,
    *,
    reader: Peer | None = None,
    differences: int = 1,
    send_buffer: int = 0,
) -> None:
    """Check that no more waited for a peer, as it came, than may.

    Args:
        peer: A peer that has slept, and has received everything since.
        wire: The wire.
        reader: Who has not slept, if what there was to receive is more than a transport takes.
        differences: So many messages were made once there was room for them: the largest ones.
        send_buffer: What the system takes for a websocket; by default as much as it ever does.
    """
    waited = sorted(len(frame) for frame in peer.frames)[:-differences]
    assert len(waited) <= _most_messages(wire, reader)
    assert sum(waited) <= _most_bytes(wire, send_buffer)


def _most_messages(wire: str, reader: Peer | None) -> float:
    if wire == "memory":
        # Two: the first ones of a connection are not told from what came later.
        return MEMORY_MESSAGES + OUTBOX_MESSAGES + UNDER_WAY + 2
    # How much travels in one message is up to the machine, and the same for all who keep up.
    return float("inf") if reader is None else FEW[wire] * len(reader.frames)


def _most_bytes(wire: str, send_buffer: int) -> float:
    match wire:
        case "memory":
            return float("inf")
        case "zmq":
            transport = ZMQ_WINDOW
        case _:
            transport = WEBSOCKET_TRANSPORT + (send_buffer or _largest_send_buffer())
    return transport + OUTBOX_BYTES + (1 + UNDER_WAY) * BATCH


def _largest_send_buffer() -> int:
    """Return up to which size Linux lets the send buffer of a connection grow: see tcp(7)."""
    return int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])
