"""Serving the application until it is told to end."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from aiohttp import web
from anyio import create_task_group, open_signal_receiver

from ycore import Rooms, bind

from . import guest
from .application import make_application

__all__ = ["running", "serve"]

LINGER = 600.0
"""How long a room keeps its text after everybody has left, in seconds."""


async def serve(page: Path, host: str, port: int, zmq_port: int, *, with_guest: bool) -> None:
    """Serve a built page and its rooms until interrupted.

    Raises:
        OSError: A port cannot be used.
    """
    rooms = Rooms(linger=LINGER)
    zmq = bind("zmq", host=host, port=zmq_port, rooms=rooms)
    application = make_application(page, rooms, zmq)
    with open_signal_receiver(signal.SIGINT, signal.SIGTERM) as interrupts:
        async with running(application, host, port) as url, create_task_group() as tasks:
            print(f"open {url} (programs join on {zmq.address})", flush=True)
            if with_guest:
                tasks.start_soon(partial(guest.join, endpoint=zmq.address))
            await anext(interrupts)
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def running(application: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Run an application for the duration of the block; give its URL."""
    runner = web.AppRunner(application, access_log=None)
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        bound_port = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound_port}/"
    finally:
        await runner.cleanup()
