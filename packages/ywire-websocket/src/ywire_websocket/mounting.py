"""Rooms in an aiohttp application that is the user's: they live and end with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Unpack

from aiohttp import web
from anyio import Event

from ycore import Room, Rooms, ServerOptions

from .endpoint import WebsocketEndpoint
from .origins import Origins

__all__ = ["mount"]


class EndpointOptions(ServerOptions, total=False):
    """The options of `mount`."""

    heartbeat: float
    """A client that sends nothing for so long is asked for a sign of life, in seconds."""

    origins: Origins
    """See `WebsocketEndpoint`."""


def mount(
    application: web.Application,
    path: str = "/",
    **options: Unpack[EndpointOptions],
) -> WebsocketEndpoint:
    """Serve rooms below a path of an application, for as long as the application runs.

    Routes, middlewares, sessions and TLS stay the application's. When it shuts down, every client
    gets what it still lacks and is told that the server goes (close code 1001), within
    `close_timeout`; the rooms stay open until it cleans up, for other wires that serve them.

    Args:
        application: The application, not yet started; or a part of it that is added by
            `add_subapp`.
        path: The path below which the rooms are: a room's URL is the path, a slash, its id.
        options: See `EndpointOptions`. `rooms` that are not open yet are opened with the
            application, and closed with it.

    Returns:
        The endpoint; its `rooms` can be given to other wires.

    Raises:
        ValueError: Both `rooms` and a `room_factory` are given, the path does not start with a
            slash or would have to be encoded, or a bound makes no sense.
        RuntimeError: The application has started.
    """
    if options.get("rooms") is None:
        # The application's, not the endpoint's: they outlive the endpoint's connections.
        options["rooms"] = _make_rooms(options)
    endpoint = WebsocketEndpoint(**options)
    endpoint.add_routes(application.router, path)
    life = _Life(endpoint)
    application.cleanup_ctx.append(life.span)
    application.on_shutdown.append(life.end_connections)
    return endpoint


def _make_rooms(options: EndpointOptions) -> Rooms:
    """Make rooms of the options that are about them, and take these away."""
    limits = {
        "linger": options.pop("linger", None),
        "max_rooms": options.pop("max_rooms", None),
        "max_clients": options.pop("max_clients", None),
    }
    given: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    return Rooms(options.pop("room_factory", Room), **given)


class _Life:
    """The life of an endpoint, in step with its application's."""

    def __init__(self, endpoint: WebsocketEndpoint) -> None:
        self._endpoint = endpoint
        self._begin()

    def _begin(self) -> None:
        self._started = Event()
        self._leave = Event()
        self._deserted = Event()
        self._end = Event()

    async def span(self, application: web.Application) -> AsyncIterator[None]:
        """Start with the application and end with its clean-up."""
        self._begin()
        # aiohttp may enter and leave in different tasks, which a cancel scope does not survive.
        task = asyncio.create_task(self._run())
        try:
            await self._started.wait()
            if not self._deserted.is_set():
                yield
        finally:
            self._leave.set()
            self._end.set()
            await task

    async def end_connections(self, application: web.Application) -> None:
        """Send the clients away; aiohttp would wait for them."""
        if not self._started.is_set():
            return
        self._endpoint.stop_hearing()
        self._leave.set()
        await self._deserted.wait()

    async def _run(self) -> None:
        try:
            async with self._open_rooms():
                async with self._endpoint:
                    self._started.set()
                    await self._leave.wait()
                self._deserted.set()
                await self._end.wait()
        finally:
            # Nobody waits for what has failed; the error comes out of this task.
            self._deserted.set()
            self._started.set()

    @asynccontextmanager
    async def _open_rooms(self) -> AsyncIterator[None]:
        if self._endpoint.rooms.is_open:
            yield
        else:
            async with self._endpoint.rooms:
                yield
