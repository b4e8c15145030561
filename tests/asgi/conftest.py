"""An ASGI server beside the test."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from ywire_websocket.addresses import bind_sockets

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

Serve = Callable[..., AbstractAsyncContextManager[int]]


@pytest.fixture
def anyio_backend() -> str:
    """Uvicorn runs on asyncio only."""
    return "asyncio"


class Uvicorn(uvicorn.Server):
    """Uvicorn, which tells when it has started."""

    def __init__(self, application: Any, **options: Any) -> None:
        super().__init__(uvicorn.Config(application, log_config=None, **options))
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()


@asynccontextmanager
async def _serve(application: Any, **options: Any) -> AsyncIterator[int]:
    (sock,) = bind_sockets("127.0.0.1", 0)
    server = Uvicorn(application, **options)
    task = asyncio.create_task(server.serve(sockets=[sock]))
    task.add_done_callback(lambda _: server.has_started.set())
    try:
        await server.has_started.wait()
        if not task.done():
            yield sock.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        sock.close()


@pytest.fixture
def serve() -> Serve:
    """Run an ASGI application with uvicorn; give its port."""
    return _serve
