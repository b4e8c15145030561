"""Install and start peers, and see that a document goes through each.

uv run python -m benchmarks.peers.check            # all of them
uv run python -m benchmarks.peers.check relay      # or some
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from random import getrandbits
from time import perf_counter
from typing import Any

import anyio
from aiohttp import ClientSession, ClientWebSocketResponse
from anyio import TASK_STATUS_IGNORED, create_task_group, fail_after
from anyio.abc import TaskStatus
from pycrdt import (
    Doc,
    Text,
    YMessageType,
    YSyncMessageType,
    create_sync_message,
    create_update_message,
    handle_sync_message,
)

from . import CLIENT_ID_BITS, PEERS, Peer
from .running import running

UPDATES = 100
PATIENCE = 10.0
"""How long clients may take to get what they should, in seconds."""

ROOM = "a room/with ünusual characters?"


class CheckError(Exception):
    """A peer does not do what it should."""


class Client:
    """A document that is shared with others in a room."""

    def __init__(self, peer: Peer, websocket: ClientWebSocketResponse) -> None:
        self._doc: Doc[Any] = Doc(client_id=getrandbits(CLIENT_ID_BITS))
        self._text = self._doc.get("text", type=Text)
        self._dialect = peer.dialect
        self._websocket = websocket
        self._changed = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Take what comes; the client has started once it has got sync step 2."""
        for frame in self._dialect.greeting(ROOM):
            await self._websocket.send_bytes(frame)
        await self._send(create_sync_message(self._doc))
        async for received in self._websocket:
            for message in self._dialect.unwrap(received.data):
                if message[0] == YMessageType.SYNC:
                    await self._take(message[1:])
                    if message[1] == YSyncMessageType.SYNC_STEP2:
                        task_status.started()
                        task_status = TASK_STATUS_IGNORED
        raise CheckError(f"the connection was closed with {self._websocket.close_code}")

    async def write(self, text: str) -> None:
        """Append to the text, and send that."""
        state = self._doc.get_state()
        self._text += text
        await self._send(create_update_message(self._doc.get_update(state)))

    async def until_equal(self, other: Client) -> None:
        """Wait until it has the same content as another one."""
        while self._content() != other._content():
            await self._changed.wait()

    def _content(self) -> tuple[bytes, str]:
        return self._doc.get_state(), str(self._text)

    async def _take(self, message: bytes) -> None:
        reply = handle_sync_message(message, self._doc)
        self._changed.set()
        self._changed = anyio.Event()
        if reply is not None:
            await self._send(reply)

    async def _send(self, message: bytes) -> None:
        await self._websocket.send_bytes(self._dialect.wrap(ROOM, message))


class Steps:
    """What is done to a peer, and how long that took."""

    def __init__(self) -> None:
        self.current = ""
        self.done: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure a block."""
        self.current = name
        start = perf_counter()
        yield
        self.done.append(f"{name} {perf_counter() - start:.3f} s")


async def check(peer: Peer, steps: Steps) -> None:
    """Put a document through a peer."""
    with steps.step("install"):
        peer.install()
    async with AsyncExitStack() as stack:
        with steps.step("start"):
            server = await stack.enter_async_context(running(peer))
        url = f"http://127.0.0.1:{server.port}{peer.dialect.path(ROOM)}"
        session = await stack.enter_async_context(ClientSession())
        connections = await stack.enter_async_context(AsyncExitStack())
        tasks = await stack.enter_async_context(create_task_group())

        async def join() -> Client:
            websocket = await connections.enter_async_context(session.ws_connect(url))
            client = Client(peer, websocket)
            await tasks.start(client.run)
            return client

        with steps.step("join"), fail_after(PATIENCE):
            writer, reader = await join(), await join()
        with steps.step(f"{UPDATES} updates"), fail_after(PATIENCE):
            for number in range(UPDATES):
                await writer.write(f"{number} ")
            await reader.until_equal(writer)
        with steps.step("late joiner"), fail_after(PATIENCE):
            late = await join()
            await late.until_equal(writer)
        tasks.cancel_scope.cancel()


async def main(names: list[str]) -> int:
    """Print a line for each peer, and return how many failed."""
    failures = 0
    for name in names or PEERS:
        peer, steps = PEERS[name], Steps()
        try:
            await check(peer, steps)
            result = f"ok: {', '.join(steps.done)}"
        except Exception as error:  # noqa: BLE001 - whatever a peer does wrong
            failures += 1
            result = f"FAILED at {steps.current}: {error!r}"
        print(f"{name} {peer.version}: {result}", flush=True)
    return failures


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", choices=[[], *PEERS], help="of peers; default: all")
    sys.exit(anyio.run(main, parser.parse_args().names))
