"""An `AsgiServer` that brings its ASGI server along, as a wire's server does."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Unpack

import uvicorn
from anyio import CancelScope, sleep_forever
from anyio.abc import TaskStatus

from ycore import ServerOptions
from ywire_websocket import AsgiServer
from ywire_websocket.addresses import bind_sockets

__all__ = ["UnderUvicorn"]


class UnderUvicorn(AsgiServer):
    """An `AsgiServer` that is served by uvicorn while it is entered."""

    uvicorn_options: ClassVar[dict[str, Any]] = {
        # Larger than any limit: it is the channel that has to hold them.
        "ws_max_size": 1 << 30,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": 1,
    }

    def __init__(self, *, port: int = 0, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self.port = port

    def application(self) -> Any:
        """Return what uvicorn serves: this, or an application that it is mounted in."""
        return self

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        (sock,) = bind_sockets("127.0.0.1", self.port)
        self.port = sock.getsockname()[1]
        config = uvicorn.Config(
            self.application(), log_config=None, lifespan="off", **self.uvicorn_options
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            await super().listen(task_status=task_status)
            await sleep_forever()
        finally:
            server.should_exit = True
            with CancelScope(shield=True):
                await task
            sock.close()
