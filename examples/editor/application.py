"""The application: the page, and its rooms on two wires."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from aiohttp import web

from ycore import Rooms, ServerWire
from ywire_websocket import mount

__all__ = ["make_application"]

PAGE_HEADERS = {
    # The page names its files by their content: it alone must not be kept.
    "Cache-Control": "no-cache",
    # y-codemirror.next colours cursors by style attributes.
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
    ),
}


def make_application(page: Path, rooms: Rooms, other_wire: ServerWire) -> web.Application:
    """Make the application.

    Args:
        page: The folder of the built page.
        rooms: The rooms, not yet open.
        other_wire: Serves the same rooms to those who are no browsers, as long as the
            application runs.
    """

    async def show_page(request: web.Request) -> web.FileResponse:
        return web.FileResponse(page / "index.html", headers=PAGE_HEADERS)

    async def serve_others(application: web.Application) -> AsyncIterator[None]:
        async with other_wire:
            yield

    application = web.Application(middlewares=[refuse_other_sites])
    application.router.add_get("/", show_page)
    application.router.add_static("/assets", page / "assets")
    mount(application, "/rooms", rooms=rooms)
    application.cleanup_ctx.append(serve_others)
    return application


@web.middleware
async def refuse_other_sites(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what a page of another site asks for: a browser would let it open a websocket."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise web.HTTPForbidden(text="this is for the pages of this server\n")
    return await handler(request)
