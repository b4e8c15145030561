"""The server side of the websocket wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ssl import SSLContext
from typing import Unpack

from aiohttp import web
from anyio import CancelScope, sleep_forever, to_thread
from anyio.abc import TaskStatus

from ycore import ServerOptions

from .accepting import accept, stop
from .addresses import bind_sockets, check_path
from .endpoint import WebsocketEndpoint
from .loop import require_asyncio
from .newcomers import Newcomers
from .origins import Origins

__all__ = ["WebsocketServer"]


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
        origins: Origins = None,
        **options: Unpack[ServerOptions],
    ) -> None:
        """Make a server.

        Args:
            host: The name or address to listen on; "0.0.0.0" or "::" for all.
            port: The port to listen on; 0 picks a free one, which `port` tells.
            path: The path below which the rooms are: a room's URL is the path, a slash, its id.
            ssl_context: Serve `wss://` with this.
            heartbeat: A client that sends nothing for so long is asked for a sign of life, and
                dropped after half of that again, in seconds, unless it takes what is sent.
            origins: See `WebsocketEndpoint`.
            options: See `ServerOptions`.

        Raises:
            ValueError: The path does not start with a slash, or has characters that would have
                to be encoded; or what is given as an origin is none.
        """
        super().__init__(heartbeat=heartbeat, origins=origins, **options)
        self.host = host
        self.path = check_path(path)
        self._port = port
        self._ssl_context = ssl_context
        self._newcomers = Newcomers(
            self.max_connections,
            handshake_timeout=self.limits.handshake_timeout,
            close_timeout=self.limits.close_timeout,
        )

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
            self._application(),
            access_log=None,
            keepalive_timeout=self.limits.handshake_timeout,
            lingering_time=self.limits.close_timeout,
            shutdown_timeout=self.limits.close_timeout,
        )
        servers: list[asyncio.Server] = []
        try:
            await runner.setup()
            servers += [
                await accept(runner, sock, self._ssl_context, self._newcomers) for sock in sockets
            ]
            task_status.started()
            await sleep_forever()
        finally:
            with CancelScope(shield=True):
                await stop(runner, sockets, servers)
            self._newcomers.end()
            for sock in sockets:
                sock.close()

    def _note_websocket(self, request: web.Request) -> None:
        self._newcomers.let_in(request.protocol)

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._see_off])
        self.add_routes(application.router, self.path)
        application.router.add_route("*", "/{path:.*}", self._refuse)
        return application

    async def _refuse(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound(text=f"there are no rooms here, but below {self.path}\n")

    @web.middleware
    async def _see_off(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Have an answer that is no websocket end its connection.

        Who is refused could keep it otherwise by asking again.
        """
        self._newcomers.hear(request.protocol)
        try:
            response = await handler(request)
        except web.HTTPException as exc:
            exc.force_close()
            raise
        else:
            response.force_close()
            return response
        finally:
            self._newcomers.see_off(request.protocol)
