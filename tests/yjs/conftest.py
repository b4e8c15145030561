"""Yjs clients, and servers for them."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.yjs.node import Node, run_node
from tests.yjs.servers import Servers, run_servers


@pytest.fixture
def anyio_backend() -> str:
    """The websocket wire runs on asyncio only."""
    return "asyncio"


@pytest.fixture(params=["13", "14"], ids="yjs{}".format)
def generation(request: pytest.FixtureRequest) -> str:
    """Which Yjs and which provider for it."""
    generation: str = request.param
    return generation


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with run_node() as node:
        yield node


@pytest.fixture
async def servers(request: pytest.FixtureRequest) -> AsyncIterator[Servers]:
    """The servers; a test may be parametrized by what serves the websockets."""
    async with run_servers(getattr(request, "param", "aiohttp")) as servers:
        yield servers
