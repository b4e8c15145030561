"""Uvicorn with what its extra "standard" brings, as websockets; it tells when it listens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import uvicorn

from benchmarks.peers.programs.process import port, ready

__all__ = ["Application", "Receive", "Send", "serve"]

Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]


async def serve(application: Application) -> None:
    """Serve until killed; to be run by uvloop.

    What the application sends to a client that has just gone is dropped, as other servers do it;
    uvicorn raises an error, of which pycrdt-websocket dies with all its rooms.
    """

    async def careful(scope: Any, receive: Receive, send: Send) -> None:
        async def send_if_possible(event: Any) -> None:
            with suppress(OSError):
                await send(event)

        await application(scope, receive, send_if_possible)

    config = uvicorn.Config(
        careful, port=port(), lifespan="off", log_level="warning", timeout_graceful_shutdown=1
    )
    await _Server(config).serve()


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        ready()
