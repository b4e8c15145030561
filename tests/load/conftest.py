"""Every test here runs on every wire, and on the event loops that the wire runs on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# Neither the tests nor the benchmarks are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

SETTINGS = [
    ("memory", "asyncio"),
    ("memory", "trio"),
    ("websocket", "asyncio"),
    ("zmq", "asyncio"),
    ("zmq", "trio"),
]


@pytest.fixture(params=SETTINGS, ids="-".join)
def setting(request: pytest.FixtureRequest) -> tuple[str, str]:
    setting: tuple[str, str] = request.param
    return setting


@pytest.fixture
def wire(setting: tuple[str, str]) -> str:
    return setting[0]


@pytest.fixture
def anyio_backend(setting: tuple[str, str]) -> str:
    return setting[1]
