"""Fixtures for those who test their own code: `pytest_plugins = ["ycore.testing.fixtures"]`.

The tests that use them are anyio's: mark them with `pytest.mark.anyio`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ycore import Room, RoomFactory, ServerWire, bind

__all__ = ["memory_server", "room_factory"]


@pytest.fixture
def room_factory() -> RoomFactory:
    """What makes the rooms of `memory_server`; override it to test your own rooms."""
    return Room


@pytest.fixture
async def memory_server(
    anyio_backend: Any,
    room_factory: RoomFactory,
) -> AsyncIterator[ServerWire]:
    """Give a server of the memory wire to which `connect("memory")` connects."""
    async with bind("memory", room_factory) as server:
        yield server
