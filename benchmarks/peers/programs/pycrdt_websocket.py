"""Rooms of pycrdt-websocket as its documentation has them, on the fastest server for them.

That is uvicorn on uvloop: to take 1000 updates and send each to 21 clients it takes 0.36 s of CPU
time; with asyncio 0.38, with wsproto 0.40, the server of the package websockets 0.42 to 0.46, and
hypercorn, which the documentation names first, 0.48 to 0.51.
"""

from __future__ import annotations

import anyio
import uvloop
from pycrdt.websocket import ASGIServer, WebsocketServer, YRoom

from benchmarks.peers.programs.uvicorn_server import serve


class Rooms(WebsocketServer):
    """Rooms that clients can enter at the same time.

    0.16.5 starts a room twice if two ask for it before it runs, and the second waits for ever.
    """

    def __init__(self) -> None:
        super().__init__()
        self._getting = anyio.Lock()

    async def get_room(self, name: str) -> YRoom:
        """Get a room, or start it."""
        async with self._getting:
            return await super().get_room(name)


async def main() -> None:
    """Serve until killed."""
    async with Rooms() as rooms:
        await serve(ASGIServer(rooms))


uvloop.run(main())
