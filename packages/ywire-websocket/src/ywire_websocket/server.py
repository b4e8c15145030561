"""The server side of the websocket wire."""

from __future__ import annotations

import asyncio
from ssl import SSLContext
from typing import Unpack

from aiohttp import web
from anyio import CancelScope, sleep_forever, to_thread
from anyio.abc import TaskStatus

from ycore import ServerOptions, ServerWire

from .addresses import bind_sockets, path_to_room
from .channel import ServerChannel
from .loop import require_asyncio

__all__ = ["WebsocketServer"]


class WebsocketServer(ServerWire):
    """Serves websocket clients: browsers with Yjs, and Python programs."""

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
            ValueError: The path does not start with a slash.
        """
        super().__init__(**options)
        if not path.startswith("/"):
            raise ValueError(f"path must start with a slash, not {path!r}")
        self.host = host
        self.path = path
        self._port = port
        self._ssl_context = ssl_context
        self._heartbeat = heartbeat

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
        application = web.Application()
        application.router.add_route("GET", "/{path:.*}", self.handle)
        runner = web.AppRunner(application, access_log=None)
        try:
            await runner.setup()
            for sock in sockets:
                await web.SockSite(runner, sock, ssl_context=self._ssl_context).start()
            task_status.started()
            await sleep_forever()
        finally:
            with CancelScope(shield=True):
                await runner.cleanup()
            for sock in sockets:
                sock.close()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one request: a websocket in the room that its path names."""
        room = path_to_room(self.path, request.raw_path.partition("?")[0])
        if room is None:
            raise web.HTTPNotFound(text=f"there are no rooms here, but below {self.path}\n")
        limit = self.limits.max_message_size
        # aiohttp refuses messages of the limit itself.
        response = web.WebSocketResponse(
            max_msg_size=limit + 1, compress=False, heartbeat=self._heartbeat, autoclose=False
        )
        if not response.can_prepare(request).ok:
            raise web.HTTPUpgradeRequired(
                text="this is a websocket endpoint for Yjs clients\n",
                headers={"Upgrade": "websocket"},
            )
        await response.prepare(request)
        if isinstance(request.transport, asyncio.Transport):
            await self.serve(ServerChannel(room, response, request.transport, _peer(request)))
        return response


def _peer(request: web.Request) -> str:
    assert request.transport is not None
    name = request.transport.get_extra_info("peername")
    return f"websocket {name[0]}:{name[1]}" if name else "websocket"
