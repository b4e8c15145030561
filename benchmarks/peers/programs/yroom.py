"""Rooms of yroom, which has no server: the smallest one, an ASGI application on uvicorn.

It does what channels-yroom does with the answers of a room, but has no Django, no layer of channels
and no worker between a room and its websockets: payloads go to the sender, broadcast payloads to
everybody in the room, him included. So it is faster than what people run.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import Any

import uvloop
from yroom import YRoomManager, YRoomMessage  # type: ignore[import-not-found]

from benchmarks.peers.programs.uvicorn_server import Receive, Send, serve


class Rooms:
    """All rooms, by the paths of their URLs."""

    def __init__(self) -> None:
        self._manager = YRoomManager()
        self._members: defaultdict[str, dict[int, Send]] = defaultdict(dict)
        self._ids = itertools.count(1)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve a websocket until it is closed."""
        await receive()
        await send({"type": "websocket.accept"})
        room, member = scope["path"], next(self._ids)
        self._members[room][member] = send
        await self._answer(room, member, self._manager.connect(room, member))
        while (event := await receive())["type"] == "websocket.receive":
            answer = self._manager.handle_message(room, member, event["bytes"])
            await self._answer(room, member, answer)
        del self._members[room][member]
        await self._answer(room, member, self._manager.disconnect(room, member))

    async def _answer(self, room: str, member: int, message: YRoomMessage) -> None:
        members = self._members[room]
        if member in members:
            for payload in message.payloads:
                await _send(members[member], payload)
        for payload in message.broadcast_payloads:
            for send in list(members.values()):
                await _send(send, payload)


async def _send(send: Send, payload: bytes) -> None:
    await send({"type": "websocket.send", "bytes": payload})


uvloop.run(serve(Rooms()))
