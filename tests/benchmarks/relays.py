"""Relays of websocket messages, some of which lose or alter what they are there to tell."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from aiohttp import WSMsgType, web

from benchmarks.load.crowd import Target
from benchmarks.load.processes import Group
from benchmarks.load.websocket_client import WebsocketLine
from benchmarks.peers import PEERS

__all__ = ["relaying"]

UPDATE = b"\x00\x02"

Treatment = Callable[[int, bytes], Iterable[bytes]]
"""Given the number of an update, from 1 on, and its message: what to send instead."""


@asynccontextmanager
async def relaying(treat: Treatment) -> AsyncIterator[Target]:
    """Run a relay in this process, which keeps nothing and answers nothing."""
    relay = _Relay(treat)
    application = web.Application()
    application.router.add_get("/{room}", relay.serve)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        yield Target(WebsocketLine(PEERS["relay"].dialect, port), Group((os.getpid(),)))
    finally:
        await runner.cleanup()


class _Relay:
    def __init__(self, treat: Treatment) -> None:
        self._treat = treat
        self._updates = 0
        self._rooms: dict[str, list[web.WebSocketResponse]] = {}

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(max_msg_size=0)
        await websocket.prepare(request)
        members = self._rooms.setdefault(request.path, [])
        members.append(websocket)
        async for message in websocket:
            if message.type is WSMsgType.BINARY:
                for sent in self._treated(message.data):
                    for member in members:
                        if member is not websocket:
                            await member.send_bytes(sent)
        members.remove(websocket)
        return websocket

    def _treated(self, message: bytes) -> Iterable[bytes]:
        if not message.startswith(UPDATE):
            return [message]
        self._updates += 1
        return self._treat(self._updates, message)
