"""Which event loop this wire runs on."""

from __future__ import annotations

import asyncio

__all__ = ["require_asyncio"]


def require_asyncio() -> None:
    """Make sure that the running event loop is asyncio's.

    Raises:
        RuntimeError: It is not.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "the websocket wire runs on asyncio only, for aiohttp does; "
            'on trio use another wire, for instance "zmq"'
        ) from None
