"""Edits that do not get to the server: a flush waits for them, and leaving tells of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from anyio import create_task_group, current_time, fail_after, move_on_after, sleep

from tests.faults.edits import edits_of
from tests.faults.marks import networked_wires
from tests.faults.processes import serving_in_a_process
from tests.faults.wires import ROOM, join, port_of, serve
from tests.network.proxy import Proxy, open_proxy
from ycore import ClientWire, Room, UnsentEditsError

pytestmark = networked_wires

PATIENCE = 10.0

LONG = 60.0
"""A heartbeat by which nobody notices that a line is stalled, in seconds."""

CLOSE_TIMEOUT = 0.3

IN_TIME = 2 * CLOSE_TIMEOUT + 3.0
"""The time for the edits, that for the end of the connection, and some for a busy machine, in
seconds; the `close_timeout` that is the default takes longer."""


@asynccontextmanager
async def leaving_edits_behind(client: ClientWire) -> AsyncIterator[None]:
    """Be connected for the duration of the block, and fail to send what was edited in it."""
    with pytest.raises(UnsentEditsError, match="did not arrive"):
        async with client:
            yield
            start = current_time()
    assert current_time() - start <= IN_TIME


@asynccontextmanager
async def serving_by_a_proxy(wire: str) -> AsyncIterator[tuple[Room, Proxy]]:
    """Run a server for the duration of the block; give its room and a line to it."""
    async with (
        serve(wire, heartbeat=LONG, close_timeout=CLOSE_TIMEOUT) as server,
        server.rooms.join(ROOM) as room,
        open_proxy(port_of(server)) as line,
    ):
        yield room, line


async def resume_at_last(line: Proxy) -> None:
    """Have somebody who cannot be cancelled not wait for ever."""
    await sleep(PATIENCE)
    line.resume()


async def test_leaving_when_the_server_was_killed_tells_of_edits(
    wire: str, anyio_backend: str
) -> None:
    async with serving_in_a_process(wire, anyio_backend) as server:
        client = server.join(close_timeout=CLOSE_TIMEOUT)
        async with leaving_edits_behind(client):
            await server.kill()
            edits_of(client.doc).append("unsent")


async def test_leaving_when_the_line_is_stalled_tells_of_edits(wire: str) -> None:
    async with serving_by_a_proxy(wire) as (room, line):
        client = join(wire, line.port, heartbeat=LONG, close_timeout=CLOSE_TIMEOUT)
        async with leaving_edits_behind(client):
            line.stall()
            edits_of(client.doc).append("unsent")
        assert not list(edits_of(room.doc))


async def test_a_flush_can_be_given_up_and_asked_for_again(wire: str) -> None:
    async with (
        serving_by_a_proxy(wire) as (room, line),
        join(wire, line.port, heartbeat=LONG) as client,
    ):
        line.stall()
        edits_of(client.doc).append("held back")
        async with create_task_group() as tasks:
            tasks.start_soon(resume_at_last, line)
            with move_on_after(0.1) as waiting:
                await client.flush()
            tasks.cancel_scope.cancel()
        assert waiting.cancelled_caught
        line.resume()
        with fail_after(PATIENCE):
            await client.flush()
        assert list(edits_of(room.doc)) == ["held back"]
