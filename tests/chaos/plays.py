"""The plays that are performed: on each event loop with all wires that run there."""

from __future__ import annotations

from tests.chaos.actions import Play
from tests.chaos.schedule import write_play

__all__ = ["BACKENDS", "play_of"]

BACKENDS = {
    "asyncio": (("memory", "websocket", "zmq"), 3, 13.0),
    "trio": (("memory", "zmq"), 2, 7.0),
}
"""For each event loop the wires, the number of acts, and how long each is, in seconds."""


def play_of(seed: int, backend: str) -> Play:
    """Return the play of a seed."""
    wires, acts, seconds = BACKENDS[backend]
    return write_play(seed, wires, acts=acts, seconds=seconds)
