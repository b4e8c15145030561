"""A Node process that runs Yjs clients for a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from anyio import EndOfStream, IncompleteRead, fail_after
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.yjs.client import YjsClient
from tests.yjs.processes import PATIENCE, Process, run_process
from tests.yjs.values import from_json, to_json
from ycore.tasks import background_tasks

__all__ = ["Node", "run_node"]

DRIVER = Path(__file__).parent / "driver" / "driver.js"

LONGEST_LINE = 64 * 1024 * 1024


@asynccontextmanager
async def run_node() -> AsyncIterator[Node]:
    """Run a Node process for the duration of the block."""
    async with run_process("node", str(DRIVER)) as process:
        node = Node(process)
        async with background_tasks() as tasks:
            tasks.start_soon(node.listen)
            yield node


class Node:
    """A Node process that runs Yjs clients."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self._input = process.stdin
        self._output = BufferedByteReceiveStream(process.stdout)
        self._calls: list[asyncio.Future[Any]] = []
        self._clients: list[YjsClient] = []

    async def open(self, generation: str, url: str, room: str, **options: Any) -> YjsClient:
        """Make a client that connects to a room.

        Args:
            generation: "13" or "14" of Yjs with its own provider, or "hocuspocus".
            url: The server's URL, as the provider takes it.
            room: The room's name, as the provider takes it.
            options: More options of the provider.
        """
        client = YjsClient(self.call, len(self._clients))
        self._clients.append(client)
        client.id = await client.call(
            "open", generation=generation, url=url, room=room, options=options
        )
        return client

    async def call(self, name: str, *, patience: float = 0.0, **details: Any) -> Any:
        """Call something in the process and wait for its answer.

        Args:
            name: What to call; see `calls` in `driver/driver.js`.
            patience: How long it may wait by itself, in seconds.
            details: What it is called with.

        Raises:
            RuntimeError: It failed, or the process has ended.
        """
        call = asyncio.get_running_loop().create_future()
        self._calls.append(call)
        request = {"id": len(self._calls) - 1, "call": name, **details}
        await self._input.send(to_json(request).encode() + b"\n")
        with fail_after(patience + PATIENCE):
            return await call

    async def listen(self) -> None:
        """Take in what the process tells, until it ends."""
        with suppress(EndOfStream, IncompleteRead):
            while True:
                self._take(from_json(await self._output.receive_until(b"\n", LONGEST_LINE)))
        for call in self._calls:
            self._settle(call, RuntimeError("the Node process has ended"))

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"event": name, "detail": detail, "client": number}:
                self._clients[number].take_event(name, detail)
            case {"id": number, "result": result}:
                self._settle(self._calls[number], result)
            case {"id": number, "error": error}:
                self._settle(self._calls[number], RuntimeError(error))

    def _settle(self, call: asyncio.Future[Any], outcome: object) -> None:
        if call.done():
            # Nobody waited so long.
            return
        if isinstance(outcome, Exception):
            call.set_exception(outcome)
        else:
            call.set_result(outcome)
