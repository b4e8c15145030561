"""`ycore serve`: one set of rooms, on any number of wires."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from anyio import sleep_forever

from ycore.rooms import Rooms
from ycore.server import ServerWire

from .endpoints import server_of
from .failures import CommandError, describe
from .interrupts import Interrupts, watching_for_interrupts
from .output import emit
from .urls import Url

__all__ = ["serve"]


async def serve(urls: Sequence[Url], rooms: Rooms) -> None:
    """Serve rooms until interrupted.

    Args:
        urls: Where to serve them.
        rooms: What to serve; not yet open.

    Raises:
        UsageError: A URL makes no sense for its wire.
        CommandError: An address cannot be used.
        WireError: A wire cannot be used.
    """
    servers = [(url, server_of(url, rooms)) for url in urls]
    async with watching_for_interrupts() as interrupts:
        with interrupts.end_this():
            await _serve(servers, rooms, interrupts)


async def _serve(
    servers: Sequence[tuple[Url, ServerWire]], rooms: Rooms, interrupts: Interrupts
) -> None:
    async with rooms, AsyncExitStack() as stack:
        for url, server in servers:
            await _start(stack, url, server)
            emit(f"serving {url.wire} on {server.address}\n")
        with interrupts.end_this():
            await sleep_forever()


async def _start(stack: AsyncExitStack, url: Url, server: ServerWire) -> None:
    try:
        await stack.enter_async_context(server)
    except OSError as exc:
        raise CommandError(f"cannot serve {url}: {describe(exc)}") from exc
