"""Every test runs on every wire, on every event loop that the wire runs on."""

from __future__ import annotations

import pytest

from tests.life.wires import WIRES, Wire


@pytest.fixture(params=WIRES, ids=str)
def wire(request: pytest.FixtureRequest) -> Wire:
    wire: Wire = request.param
    return wire


@pytest.fixture
def anyio_backend(wire: Wire) -> str:
    return wire.backend
