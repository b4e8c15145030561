"""Our own websocket server, with its default options: limits and presence are on."""

from __future__ import annotations

import anyio

from benchmarks.peers.programs.process import port, ready
from ycore import bind


async def main() -> None:
    """Serve until killed."""
    async with bind("websocket", host="127.0.0.1", port=port()):
        ready()
        await anyio.sleep_forever()


anyio.run(main)
