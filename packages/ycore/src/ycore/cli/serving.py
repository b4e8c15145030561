"""`ycore serve`: one set of rooms, on any number of wires."""

from __future__ import annotations

from collections.abc import Sequence

from anyio import sleep_forever
from anyio.abc import TaskStatus

from ycore.rooms import Rooms
from ycore.server import ServerWire
from ycore.tasks import background_tasks

from .endpoints import server_of
from .failures import CommandError, describe
from .interrupts import watching_for_interrupts
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
    async with watching_for_interrupts() as interrupts, rooms:
        # Clients get what they still lack at the first interrupt; the second one does not wait.
        with interrupts.exit_here(), interrupts.end_this():
            async with background_tasks() as tasks:
                for url, server in servers:
                    await tasks.start(_serve, url, server)
                await sleep_forever()


async def _serve(url: Url, server: ServerWire, *, task_status: TaskStatus[None]) -> None:
    """Serve on one wire; all end at the same time."""
    try:
        async with server:
            emit(f"serving {url.wire} on {server.address}\n")
            task_status.started()
            await sleep_forever()
    except OSError as exc:
        raise CommandError(f"cannot serve {url}: {describe(exc)}") from exc
