"""Rooms as an ASGI application, for servers and frameworks that speak ASGI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from anyio import CancelScope, sleep_forever
from anyio.abc import TaskStatus
from multidict import CIMultiDict
from yarl import URL

from ycore import AccessRequest, RefusedError, ServerOptions, ServerWire
from ycore.codes import shorten

from .addresses import check_path, room_below
from .asgi_channel import AsgiChannel, Receive, Scope, Send
from .origins import OriginCheck, Origins
from .requests import INTERNAL_SERVER_ERROR, credentials_of, headers_of, status_of

__all__ = ["AsgiServer"]

NOT_FOUND, UPGRADE_REQUIRED = 404, 426

EXPLANATION = "this is a websocket endpoint for Yjs clients\n"


class AsgiServer(ServerWire):
    """An ASGI application whose websockets are in rooms.

    Mount it under a path of an application of Starlette or FastAPI and enter it in the lifespan
    of that; or give it to an ASGI server by itself, whose lifespan events it follows.
    """

    wire = "websocket"

    def __init__(
        self, *, path: str = "/", origins: Origins = None, **options: Unpack[ServerOptions]
    ) -> None:
        """Make an application.

        Args:
            path: The path below which the rooms are, below the one at which this is mounted: a
                room's URL is the path, a slash, its id.
            origins: See `WebsocketEndpoint`.
            options: See `ServerOptions`.

        Raises:
            ValueError: The path does not start with a slash, or has characters that would have
                to be encoded; what is given as an origin is none; both `rooms` and a
                `room_factory` are given, or a bound makes no sense.
        """
        super().__init__(**options)
        self._origins = OriginCheck(origins)
        self.path = check_path(path)
        self._has_started = False

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Wait: the ASGI server accepts the connections; see `ServerWire.listen`."""
        self._has_started = True
        task_status.started()
        await sleep_forever()

    def check(self, request: AccessRequest) -> None:
        """Look at where a browser comes from; see `ServerWire.check`."""
        self._origins.check(request.credentials)

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
            await _refuse(scope, send, NOT_FOUND, "there are no rooms here\n")
            return
        try:
            async with self.admit(_access_request(scope, room, self.wire)) as admission:
                await send({"type": "websocket.accept"})
                asked = admission.request
                with CancelScope() as call:
                    channel = AsgiChannel(
                        room, receive, send, asked.peer, call.cancel, asked.credentials
                    )
                    await self.serve(channel, admission)
        except RefusedError as exc:
            if status_of(exc) >= INTERNAL_SERVER_ERROR and not _takes_answers(scope):
                # All that such a server says without a websocket is 403, which is for good.
                await send({"type": "websocket.accept"})
                reason = shorten(str(exc))
                await send({"type": "websocket.close", "code": exc.code, "reason": reason})
            else:
                await _refuse(scope, send, status_of(exc), f"{exc}\n", headers_of(exc))

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


def _takes_answers(scope: Scope) -> bool:
    """Whether the server can answer a request for a websocket with a status."""
    return "websocket.http.response" in scope.get("extensions", {})


async def _refuse(
    scope: Scope, send: Send, status: int, text: str, headers: Mapping[str, str] | None = None
) -> None:
    """Answer a websocket before it is one; servers that do not say how to answer with 403."""
    if _takes_answers(scope):
        await _respond(send, "websocket.http", status, text, headers)
    else:
        await send({"type": "websocket.close"})


async def _respond(
    send: Send, kind: str, status: int, text: str, headers: Mapping[str, str] | None = None
) -> None:
    sent = {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}
    if status == UPGRADE_REQUIRED:
        sent["Upgrade"] = "websocket"
    encoded = [(name.lower().encode(), value.encode()) for name, value in sent.items()]
    await send({"type": f"{kind}.response.start", "status": status, "headers": encoded})
    await send({"type": f"{kind}.response.body", "body": text.encode()})


def _access_request(scope: Scope, room: str, wire: str) -> AccessRequest:
    headers: CIMultiDict[str] = CIMultiDict(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in scope.get("headers", ())
    )
    query = URL.build(query_string=scope.get("query_string", b"").decode("latin-1"), encoded=True)
    return AccessRequest(
        room=room,
        wire=wire,
        peer=_peer(scope),
        credentials=credentials_of(headers, _cookies(headers), query.query),
    )


def _cookies(headers: CIMultiDict[str]) -> dict[str, str]:
    # Not by `SimpleCookie`, which forgets all if there is one that it does not understand.
    parts = [part for header in headers.getall("Cookie", ()) for part in header.split(";")]
    pairs = (part.partition("=") for part in parts)
    return {name.strip(): value.strip().strip('"') for name, separator, value in pairs if separator}


def _path(scope: Scope) -> str:
    """Return the path below the one at which the application is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    is_below = path == root or path.startswith(f"{root}/")
    return path.removeprefix(root) if is_below else path


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return f"websocket {client[0]}:{client[1]}" if client else "websocket"
