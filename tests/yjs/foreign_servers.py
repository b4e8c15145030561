"""Yjs servers of other projects, each in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.yjs.processes import read_line, run_process

__all__ = ["COMMANDS", "ForeignServer", "run_foreign_server"]

FOLDER = Path(__file__).parent

COMMANDS: dict[str, Callable[[int], Sequence[str]]] = {
    # What npm would install for it does not fit together: see the overrides in package.json.
    "y-websocket-server": lambda port: (
        "env",
        "HOST=127.0.0.1",
        f"PORT={port}",
        "node",
        str(FOLDER / "node_modules/@y/websocket-server/src/server.js"),
    ),
    "pycrdt-websocket": lambda port: (
        sys.executable,
        str(FOLDER / "programs" / "pycrdt_websocket.py"),
        str(port),
    ),
}


@asynccontextmanager
async def run_foreign_server(name: str, port: int) -> AsyncIterator[ForeignServer]:
    """Run a server for the duration of the block."""
    async with AsyncExitStack() as stack:
        server = ForeignServer(COMMANDS[name](port), port, stack)
        await server.start()
        yield server


class ForeignServer:
    """A server that can be killed and started again."""

    def __init__(self, command: Sequence[str], port: int, stack: AsyncExitStack) -> None:
        self.port = port
        self._command = command
        self._stack = stack

    @property
    def url(self) -> str:
        """Where Yjs clients connect to."""
        return f"ws://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the process and wait until it says that it is running."""
        process = await self._stack.enter_async_context(run_process(*self._command))
        assert "running" in await read_line(process)

    async def kill(self) -> None:
        """End the process at once."""
        await self._stack.aclose()
