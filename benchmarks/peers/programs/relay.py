"""A floor: rooms that know no documents. What one says all others in the room get as it is.

A room keeps the updates that came. Who asks by sync step 1 gets all of them, whatever he has, in
one step 2: they are merged by pycrdt.merge_updates then, and the one that makes is kept instead.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress

from aiohttp import web
from pycrdt import (
    Doc,
    YMessageType,
    YSyncMessageType,
    create_sync_message,
    create_update_message,
    merge_updates,
    read_message,
    write_message,
)

from benchmarks.peers.programs.process import port, ready

NOTHING = b"\0\0"
"""An update without content."""

STEP_1 = create_sync_message(Doc())
STEP_2 = bytes([YMessageType.SYNC, YSyncMessageType.SYNC_STEP2])


class Room:
    """Those who are in a room, and the messages with its updates."""

    def __init__(self) -> None:
        self.members: set[web.WebSocketResponse] = set()
        self._messages: list[bytes] = []

    async def take(self, frame: bytes, sender: web.WebSocketResponse) -> None:
        """Answer a frame, or pass it on."""
        if frame[0] == YMessageType.SYNC:
            if frame[1] == YSyncMessageType.SYNC_STEP1:
                await sender.send_bytes(STEP_2 + write_message(self._all()))
                return
            if frame[1] == YSyncMessageType.SYNC_STEP2:
                update = read_message(frame[2:])
                if update == NOTHING:
                    return
                frame = create_update_message(update)
            self._messages.append(frame)
        for member in list(self.members):
            if member is not sender:
                # One who has gone, and is about to be removed.
                with suppress(ConnectionError):
                    await member.send_bytes(frame)

    def _all(self) -> bytes:
        if not self._messages:
            return NOTHING
        update = merge_updates(*[read_message(message[2:]) for message in self._messages])
        self._messages = [create_update_message(update)]
        return update


class Relay:
    """All rooms, by the paths of their URLs."""

    def __init__(self) -> None:
        self._rooms: defaultdict[str, Room] = defaultdict(Room)

    async def join(self, request: web.Request) -> web.WebSocketResponse:
        """Serve a websocket until it is closed."""
        websocket = web.WebSocketResponse(compress=False, max_msg_size=0)
        await websocket.prepare(request)
        room = self._rooms[request.path]
        room.members.add(websocket)
        try:
            await websocket.send_bytes(STEP_1)
            async for message in websocket:
                await room.take(message.data, websocket)
        finally:
            room.members.discard(websocket)
        return websocket


async def main() -> None:
    """Serve until killed."""
    application = web.Application()
    application.router.add_get("/{room:.*}", Relay().join)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port()).start()
    ready()
    await asyncio.Event().wait()


asyncio.run(main())
