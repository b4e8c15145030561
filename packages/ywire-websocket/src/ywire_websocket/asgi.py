"""Rooms as an ASGI application, for servers and frameworks that speak ASGI."""

from __future__ import annotations

from typing import Unpack

from anyio import CancelScope, sleep_forever
from anyio.abc import TaskStatus

from ycore import ServerOptions, ServerWire

from .addresses import check_path, room_below
from .asgi_channel import AsgiChannel, Receive, Scope, Send

__all__ = ["AsgiServer"]

NOT_FOUND, UPGRADE_REQUIRED = 404, 426

EXPLANATION = "this is a websocket endpoint for Yjs clients\n"


class AsgiServer(ServerWire):
    """An ASGI application whose websockets are in rooms.

    Mount it under a path of an application of Starlette or FastAPI and enter it in the lifespan
    of that; or give it to an ASGI server by itself, whose lifespan events it follows.
    """

    def __init__(self, *, path: str = "/", **options: Unpack[ServerOptions]) -> None:
        """Make an application.

        Args:
            path: The path below which the rooms are, below the one at which this is mounted: a
                room's URL is the path, a slash, its id.
            options: See `ServerOptions`.

        Raises:
            ValueError: The path does not start with a slash, or has characters that would have
                to be encoded; both `rooms` and a `room_factory` are given, or a bound makes no
                sense.
        """
        super().__init__(**options)
        self.path = check_path(path)
        self._has_started = False

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Wait: the ASGI server accepts the connections; see `ServerWire.listen`."""
        self._has_started = True
        task_status.started()
        await sleep_forever()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan (ASGI specification, "Applications").

        Args:
            scope: What it is about.
            receive: Gives the next event.
            send: Takes an event.

        Raises:
            RuntimeError: A websocket comes before the application was entered.
            ValueError: The scope is of another kind.
        """
        match scope["type"]:
            case "websocket":
                await self._serve_websocket(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case "http":
                await _respond(send, "http", UPGRADE_REQUIRED, EXPLANATION)
            case other:
                raise ValueError(f"rooms have no ASGI scope of the type {other!r}")

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._has_started:
            raise RuntimeError(
                "the rooms are not open: enter this AsgiServer in the lifespan of the application "
                "that it is mounted in (`async with server: yield`); or if it stands alone, have "
                "the ASGI server run its lifespan"
            )
        await receive()
        room = room_below(self.path, _path(scope))
        if room is None:
            await _refuse(scope, send)
            return
        await send({"type": "websocket.accept"})
        with CancelScope() as call:
            await self.serve(AsgiChannel(room, receive, send, _peer(scope), call.cancel))

    async def _live(self, receive: Receive, send: Send) -> None:
        """Be entered from the server's start to its end."""
        await receive()
        phase = "startup"
        try:
            async with self:
                await send({"type": "lifespan.startup.complete"})
                phase = "shutdown"
                await receive()
        except Exception as exc:
            await send({"type": f"lifespan.{phase}.failed", "message": str(exc)})
            raise
        await send({"type": "lifespan.shutdown.complete"})


async def _refuse(scope: Scope, send: Send) -> None:
    """Answer a websocket at a path without rooms, before it is one."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await _respond(send, "websocket.http", NOT_FOUND, "there are no rooms here\n")
    else:
        await send({"type": "websocket.close"})


async def _respond(send: Send, kind: str, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if status == UPGRADE_REQUIRED:
        headers.append((b"upgrade", b"websocket"))
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": text.encode()})


def _path(scope: Scope) -> str:
    """Return the path below the one at which the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    is_below = path == root or path.startswith(f"{root}/")
    return path.removeprefix(root) if is_below else path


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return f"websocket {client[0]}:{client[1]}" if client else "websocket"
