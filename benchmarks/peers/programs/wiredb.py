"""The websocket server of wiredb, as its documentation has it."""

from __future__ import annotations

import anyio
from wire_websocket import AsyncWebSocketServer  # type: ignore[import-not-found]

from benchmarks.peers.programs.process import port, ready, until_listening


async def main() -> None:
    """Serve until killed."""
    async with AsyncWebSocketServer(host="127.0.0.1", port=port()):
        await until_listening()
        ready()
        await anyio.sleep_forever()


anyio.run(main)
