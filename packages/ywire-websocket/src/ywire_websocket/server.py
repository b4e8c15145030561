"""The server side of the websocket wire."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from socket import socket
from ssl import SSLContext
from typing import Unpack

from aiohttp import web
from anyio import CancelScope, sleep_forever, to_thread
from anyio.abc import TaskStatus
from anyio.lowlevel import checkpoint

from ycore import ServerOptions

from .addresses import bind_sockets, check_path
from .endpoint import WebsocketEndpoint
from .loop import require_asyncio

__all__ = ["WebsocketServer"]

ACCEPTING_TURNS = 5
"""After so many turns of asyncio's event loop what it has accepted is a connection of aiohttp's."""


class WebsocketServer(WebsocketEndpoint):
    """Serves websocket clients on a port of its own: browsers with Yjs, and Python programs."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        path: str = "/",
        ssl_context: SSLContext | None = None,
        heartbeat: float = 15.0,
        **options: Unpack[ServerOptions],
    ) -> None:
        """Make a server.

        Args:
            host: The name or address to listen on; "0.0.0.0" or "::" for all.
            port: The port to listen on; 0 picks a free one, which `port` tells.
            path: The path below which the rooms are: a room's URL is the path, a slash, its id.
            ssl_context: Serve `wss://` with this.
            heartbeat: A client that sends nothing for so long is asked for a sign of life, and
                dropped after half of that again, in seconds.
            options: See `ServerOptions`.

        Raises:
            ValueError: The path does not start with a slash, or has characters that would have
                to be encoded.
        """
        super().__init__(heartbeat=heartbeat, **options)
        self.host = host
        self.path = check_path(path)
        self._port = port
        self._ssl_context = ssl_context

    @property
    def port(self) -> int:
        """The port; the one that was picked, once the server is entered."""
        return self._port

    @property
    def address(self) -> str:
        """The URL of the empty room."""
        scheme = "ws" if self._ssl_context is None else "wss"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{self.path}"

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Accept connections; see `ServerWire.listen`."""
        require_asyncio()
        # Names are resolved in there.
        sockets = await to_thread.run_sync(bind_sockets, self.host, self._port)
        self._port = sockets[0].getsockname()[1]
        runner = web.AppRunner(
            self._application(), access_log=None, shutdown_timeout=self.limits.close_timeout
        )
        try:
            await runner.setup()
            for sock in sockets:
                await web.SockSite(runner, sock, ssl_context=self._ssl_context).start()
            task_status.started()
            await sleep_forever()
        finally:
            with CancelScope(shield=True):
                await _stop(runner, sockets)
            for sock in sockets:
                sock.close()

    def _application(self) -> web.Application:
        application = web.Application()
        self.add_routes(application.router, self.path)
        application.router.add_route("*", "/{path:.*}", self._refuse)
        return application

    async def _refuse(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound(text=f"there are no rooms here, but below {self.path}\n")


async def _stop(runner: web.AppRunner, sockets: Iterable[socket]) -> None:
    """Stop accepting connections, and close those that there are."""
    # What a closed asyncio server has accepted but not yet taken in, it drops without closing it.
    for sock in sockets:
        with suppress(NotImplementedError):
            asyncio.get_running_loop().remove_reader(sock)
    for _ in range(ACCEPTING_TURNS):
        await checkpoint()
    await runner.cleanup()
