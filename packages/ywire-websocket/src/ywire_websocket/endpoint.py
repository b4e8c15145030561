"""Rooms behind a route of an aiohttp application, whoever's that is."""

from __future__ import annotations

from contextlib import suppress
from typing import Unpack

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from anyio import sleep_forever
from anyio.abc import TaskStatus

from ycore import AccessRequest, Admission, RefusedError, ServerOptions, ServerWire

from .addresses import check_path
from .channel import HIGH_WATER, ServerChannel
from .loop import require_asyncio
from .origins import OriginCheck, Origins
from .patience import PatientServerSocket
from .requests import credentials_of, headers_of, status_of

__all__ = ["WebsocketEndpoint"]

ANY_ROOM = "{room:(?s:.*)}"
"""The part of a route that an id matches, whatever is in it."""


class WebsocketEndpoint(ServerWire):
    """Serves the websockets that an aiohttp application hands to `handle`."""

    wire = "websocket"

    def __init__(
        self,
        *,
        heartbeat: float = 15.0,
        origins: Origins = None,
        **options: Unpack[ServerOptions],
    ) -> None:
        """Make an endpoint; its routes answer while it is entered.

        Args:
            heartbeat: A client that sends nothing for so long is asked for a sign of life, and
                dropped after half of that again, in seconds, unless it takes what is sent.
            origins: The origins of pages from which a browser may connect, or "*" for all; by
                default all, but one that sends cookies must come from a page of this server.
            options: See `ServerOptions`.

        Raises:
            ValueError: What is given as an origin is none.
        """
        super().__init__(**options)
        self._origins = OriginCheck(origins)
        self._heartbeat = heartbeat
        self._is_deaf = False

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Wait: the application accepts the connections; see `ServerWire.listen`."""
        require_asyncio()
        self._is_deaf = False
        task_status.started()
        await sleep_forever()

    def add_routes(self, router: web.UrlDispatcher, path: str) -> None:
        """Route to `handle` what is below a path: a room's URL is the path, a slash, its id.

        Args:
            router: The router of an application.
            path: Where the rooms are; the path itself is the empty room.

        Raises:
            ValueError: The path does not start with a slash, or has characters that would have
                to be encoded.
        """
        prefix = check_path(path).rstrip("/")
        router.add_route("GET", f"{prefix}/{ANY_ROOM}", self.handle)
        if prefix:
            router.add_route("GET", prefix, self.handle)

    def check(self, request: AccessRequest) -> None:
        """Look at where a browser comes from; see `ServerWire.check`."""
        self._origins.check(request.credentials)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one request: a websocket in the room that the route's `room` names."""
        response = PatientServerSocket(
            # aiohttp refuses messages of the limit itself.
            max_msg_size=self.limits.max_message_size + 1,
            compress=False,
            heartbeat=self._heartbeat,
            autoclose=False,
            writer_limit=HIGH_WATER,
        )
        if not response.can_prepare(request).ok:
            raise web.HTTPUpgradeRequired(
                text="this is a websocket endpoint for Yjs clients\n",
                headers={"Upgrade": "websocket"},
            )
        try:
            async with self.admit(_access_request(request, self.wire)) as admission:
                with suppress(ConnectionResetError):  # The client has not waited.
                    self._note_websocket(request)
                    writer = await response.prepare(request)
                    await self._serve_websocket(request, response, writer, admission)
        except RefusedError as exc:
            body = f"{exc}\n".encode()
            return web.Response(status=status_of(exc), body=body, headers=headers_of(exc))
        # aiohttp fails over one whose client was gone before it had its answer.
        return response if response.prepared else web.Response(status=503)

    def _note_websocket(self, request: web.Request) -> None:
        """Be told that a client gets its websocket."""

    async def _serve_websocket(
        self,
        request: web.Request,
        response: web.WebSocketResponse,
        writer: AbstractStreamWriter,
        admission: Admission,
    ) -> None:
        # It is None once the client has gone; uvloop's is none of asyncio's.
        if request.transport is None:
            return
        channel = ServerChannel(
            admission.request.room,
            response,
            writer,
            request.transport,
            peer=admission.request.peer,
            is_deaf=self._hears_nothing,
            credentials=admission.request.credentials,
        )
        await self.serve(channel, admission)

    def stop_hearing(self) -> None:
        """Be told that the application shuts down: aiohttp drops what clients send from then on."""
        self._is_deaf = True

    def _hears_nothing(self) -> bool:
        return self._is_deaf


def _access_request(request: web.Request, wire: str) -> AccessRequest:
    certificate = None
    peer = "websocket"
    if request.transport is not None:
        certificate = request.transport.get_extra_info("peercert")
        if name := request.transport.get_extra_info("peername"):
            peer = f"websocket {name[0]}:{name[1]}"
    return AccessRequest(
        # The router has decoded the id, once.
        room=request.match_info.get("room", ""),
        wire=wire,
        peer=peer,
        credentials=credentials_of(
            request.headers, request.cookies, request.query, certificate or None
        ),
    )
