"""Many clients that lose their server at one moment, and return together."""

from __future__ import annotations

import pytest
from anyio import Event, create_task_group, fail_after
from anyio.abc import TaskStatus

from tests.faults.edits import edits_of
from tests.faults.processes import serving_in_a_process
from tests.faults.status import StatusWatch, watching_status
from tests.faults.writing import until_all_have_all
from ycore import ClientWire

CROWD = 200

HEARTBEAT = 5.0
"""In seconds; a crowd keeps its one event loop busy for longer than fewer clients do."""

PATIENCE = 20.0


# What takes so many so long is not the event loop: one for each wire is enough.
@pytest.mark.parametrize(("wire", "anyio_backend"), [("websocket", "asyncio"), ("zmq", "asyncio")])
async def test_a_crowd_returns_to_a_server_that_was_killed(wire: str, anyio_backend: str) -> None:
    crowd: dict[ClientWire, StatusWatch] = {}
    enough = Event()

    async with serving_in_a_process(wire, anyio_backend, heartbeat=HEARTBEAT) as server:

        async def stay(*, task_status: TaskStatus[None]) -> None:
            async with server.join() as client, watching_status(client) as crowd[client]:
                task_status.started()
                await enough.wait()

        async with create_task_group() as tasks:
            for _ in range(CROWD):
                await tasks.start(stay)
            await server.kill()
            for status in crowd.values():
                await status.until_lost()
            everything = [f"written offline {number}" for number in range(10)]
            for client, edit in zip(crowd, everything, strict=False):
                edits_of(client.doc).append(edit)
            await server.start(["written by the server"])
            async with server.join() as new:
                assert "written by the server" in edits_of(new.doc)
                edits_of(new.doc).append("written by a new client")
                with fail_after(PATIENCE):
                    await new.flush()
                for status in crowd.values():
                    await status.until_back()
                everything += ["written by the server", "written by a new client"]
                await until_all_have_all([new.doc, *(client.doc for client in crowd)], everything)
            enough.set()
