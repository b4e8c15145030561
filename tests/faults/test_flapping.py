"""A network that fails again and again while everybody writes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from anyio import fail_after, sleep

from tests.faults.edits import edits_of
from tests.faults.marks import every_wire
from tests.faults.status import checking_status
from tests.faults.wires import ROOM, join, port_of, serve
from tests.faults.writing import PATIENCE, Writer, until_all_have_all
from tests.network.proxy import open_proxy
from ycore import Room, ServerWire, Status, link

NAMES = ("Ann", "Bob", "Cas")

FAILURES, INTERVAL = 20, 0.1
"""How often the network fails, and every how many seconds."""

LONGEST_DELAY = 0.05
"""Who comes back sooner is hit more often; in seconds."""

Cut = Callable[[], Awaitable[int]]


@asynccontextmanager
async def cutting(wire: str, server: ServerWire, room: Room) -> AsyncIterator[tuple[int, Cut]]:
    """Give a port, and what cuts the connections that are made there and returns how many."""
    if wire == "memory":
        # There is nothing between the ends: one of them ends it.
        async def close_all() -> int:
            for channel in (channels := room.clients):
                await channel.aclose(1012, "the network has failed")
            return len(channels)

        yield 0, close_all
        return

    async with open_proxy(port_of(server)) as proxy:

        async def cut() -> int:
            return proxy.cut()

        yield proxy.port, cut


@every_wire
async def test_nothing_is_lost_when_the_network_flaps(
    wire: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "LONGEST_DELAY", LONGEST_DELAY)
    async with (
        serve(wire) as server,
        server.rooms.join(ROOM) as room,
        cutting(wire, server, room) as (port, cut),
        AsyncExitStack() as stack,
    ):

        def check_arrival(edits: list[str]) -> None:
            assert not set(edits) - set(edits_of(room.doc)), "confirmed, but not there"

        clients = [await stack.enter_async_context(join(wire, port)) for _ in NAMES]
        writers = [
            Writer(client, name, check_arrival) for client, name in zip(clients, NAMES, strict=True)
        ]
        connections = 0
        async with AsyncExitStack() as writing:
            for writer in writers:
                await writing.enter_async_context(checking_status(writer.client))
                await writing.enter_async_context(writer.writing())
            for _ in range(FAILURES):
                await sleep(INTERVAL)
                connections += await cut()
        assert connections >= FAILURES
        for writer in writers:
            # Others are seen before the document has come.
            with fail_after(PATIENCE):
                await writer.client.synchronized.wait()
            assert writer.client.status is Status.CONNECTED
            await writer.until_sees(*NAMES)
        written = [edit for writer in writers for edit in writer.written]
        await until_all_have_all([room.doc, *(client.doc for client in clients)], written)
