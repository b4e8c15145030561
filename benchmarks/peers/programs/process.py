"""What the programs have in common; without any package, for each has an environment of its own."""

from __future__ import annotations

import asyncio
import os
import sys
from threading import Thread

__all__ = ["port", "ready", "until_listening"]


def port() -> int:
    """Return the port to listen on."""
    return int(sys.argv[1])


def ready() -> None:
    """Tell that the server listens; from now on the process ends when its input does."""
    Thread(target=_end_with_input, daemon=True).start()
    print("ready", flush=True)


async def until_listening() -> None:
    """Wait for a server that does not tell when it listens."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port())
        except ConnectionRefusedError:
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os._exit(0)
