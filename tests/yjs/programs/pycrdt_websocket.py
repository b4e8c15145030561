"""Serve rooms by pycrdt-websocket on a port until killed; a line tells that it has started."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn
from pycrdt.websocket import ASGIServer, WebsocketServer


class Uvicorn(uvicorn.Server):
    """Uvicorn, which tells when it has started."""

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write("running\n")
        sys.stdout.flush()


async def main(port: int) -> None:
    """Serve on a port."""
    async with WebsocketServer(auto_clean_rooms=False) as rooms:
        config = uvicorn.Config(ASGIServer(rooms), port=port, log_level="warning")
        await Uvicorn(config).serve()


asyncio.run(main(int(sys.argv[1])))
