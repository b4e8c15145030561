"""On which wires, and on which event loops, a test runs."""

from __future__ import annotations

import pytest

__all__ = ["every_wire", "networked_wires"]

_NETWORKED = [("websocket", "asyncio"), ("zmq", "asyncio"), ("zmq", "trio")]

networked_wires = pytest.mark.parametrize(("wire", "anyio_backend"), _NETWORKED)

every_wire = pytest.mark.parametrize(
    ("wire", "anyio_backend"), [*_NETWORKED, ("memory", "asyncio"), ("memory", "trio")]
)
