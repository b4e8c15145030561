"""Our own zmq server, with its default options."""

from __future__ import annotations

import anyio

from benchmarks.peers.programs.process import port, ready
from ycore import bind

__all__: list[str] = []


async def main() -> None:
    """Serve until killed."""
    async with bind("zmq", host="127.0.0.1", port=port()):
        ready()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main)
