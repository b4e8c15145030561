"""Serve rooms by pycrdt-websocket on a port until killed; a line tells that it has started."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import uvicorn
from pycrdt.websocket import ASGIServer, WebsocketServer

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Uvicorn(uvicorn.Server):
    """Uvicorn, which tells when it has started."""

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write("running\n")
        sys.stdout.flush()


def sending_to_nobody_is_no_fault(application: Application) -> Application:
    """Have an application not know that it sends to who has gone.

    pycrdt-websocket 0.16.5 sends awareness to all in the task of the one who told it: the error of
    a client that has just left would end the connection of another one that is not at fault.
    """

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        async def send_if_possible(event: Any) -> None:
            with suppress(OSError):
                await send(event)

        await application(scope, receive, send_if_possible)

    return wrapped


async def main(port: int) -> None:
    """Serve on a port."""
    async with WebsocketServer(auto_clean_rooms=False) as rooms:
        application = sending_to_nobody_is_no_fault(ASGIServer(rooms))
        config = uvicorn.Config(application, port=port, log_level="warning")
        await Uvicorn(config).serve()


asyncio.run(main(int(sys.argv[1])))
