"""A server that puts a client out, for good or for now."""

from __future__ import annotations

import pytest
from anyio import (
    TASK_STATUS_IGNORED,
    ClosedResourceError,
    create_task_group,
    fail_after,
    sleep_forever,
)
from anyio.abc import TaskStatus

from tests.faults.edits import edits_of
from tests.faults.marks import every_wire
from tests.faults.wires import ROOM, join, port_of, serve
from ycore import Channel, ClientWire, ConnectionRejectedError, Room, ServerWire, Status

pytestmark = every_wire

PATIENCE = 20.0

SERVICE_RESTART = 1012

REASON = "your time is up"

CONNECTING, CONNECTED, DISCONNECTED = Status.CONNECTING, Status.CONNECTED, Status.DISCONNECTED


class Porter(Room):
    """A room that counts who comes, and puts everybody out with a code."""

    def __init__(self, id: str) -> None:  # noqa: A002
        super().__init__(id)
        self.arrivals = 0
        self.refusal: int | None = None
        """The code for those who come from now on."""

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        self.arrivals += 1
        if self.refusal is None:
            await super().serve(client, task_status=task_status)
        else:
            await client.aclose(self.refusal, REASON)

    async def put_out(self, code: int) -> None:
        for client in self.clients:
            await client.aclose(code, REASON)


async def porter_of(server: ServerWire) -> Porter:
    room = await server.rooms.get(ROOM)
    assert isinstance(room, Porter)
    return room


@pytest.mark.parametrize("code", [4400, 4499])
async def test_who_is_put_out_for_good_stops(wire: str, code: int) -> None:
    async with serve(wire, Porter) as server, create_task_group() as tasks:
        room = await porter_of(server)
        client = join(wire, port_of(server))
        with client.status_changes() as changes, fail_after(PATIENCE):
            with pytest.raises(ConnectionRejectedError, match=REASON) as caught:
                async with client:
                    in_sync = client.synchronized
                    tasks.start_soon(room.put_out, code)
                    await sleep_forever()
            told = [status async for status in changes]
        assert (caught.value.code, caught.value.reason) == (code, REASON)
        assert told == [DISCONNECTED, CONNECTING, CONNECTED, DISCONNECTED]
        assert client.status is DISCONNECTED
        assert client.synchronized is not in_sync
        assert not client.synchronized.is_set()
        assert room.arrivals == 1


@pytest.mark.parametrize("code", [4399, 4500])
async def test_who_is_put_out_for_now_comes_back(wire: str, code: int) -> None:
    async with serve(wire, Porter) as server, join(wire, port_of(server)) as client:
        room = await porter_of(server)
        in_sync = client.synchronized
        with fail_after(PATIENCE):
            await room.put_out(code)
            edits_of(client.doc).append("after")
            await client.flush()
        assert list(edits_of(room.doc)) == ["after"]
        assert client.synchronized is not in_sync
        assert room.arrivals == 2


async def test_who_is_refused_when_it_comes_back_stops(wire: str) -> None:
    async with serve(wire, Porter) as server, create_task_group() as tasks:
        room = await porter_of(server)
        with fail_after(PATIENCE), pytest.raises(ConnectionRejectedError, match=REASON) as caught:
            async with join(wire, port_of(server)):
                room.refusal = 4401
                tasks.start_soon(room.put_out, SERVICE_RESTART)
                await sleep_forever()
        assert caught.value.code == 4401
        assert room.arrivals == 2


async def test_whoever_waits_for_a_flush_is_told_of_the_refusal(wire: str) -> None:
    """It is the refusal that comes out of the block; who waits outside of it is told of the end."""

    async def flush_on(client: ClientWire) -> None:
        while True:
            edits_of(client.doc).append("as long as it goes")
            await client.flush()

    async def flush_to_the_end(client: ClientWire) -> None:
        with pytest.raises(ClosedResourceError):
            await flush_on(client)

    async with serve(wire, Porter) as server:
        room = await porter_of(server)
        with fail_after(PATIENCE):
            async with create_task_group() as outside:
                with pytest.raises(ConnectionRejectedError, match=REASON):
                    async with join(wire, port_of(server)) as client:
                        outside.start_soon(flush_to_the_end, client)
                        outside.start_soon(room.put_out, 4403)
                        await flush_on(client)


async def test_who_is_refused_while_it_leaves_is_told_so(
    wire: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(wire, Porter) as server:
        room = await porter_of(server)
        with fail_after(PATIENCE), pytest.raises(ConnectionRejectedError, match=REASON):
            async with join(wire, port_of(server), close_timeout=2 * PATIENCE) as client:
                room.refusal = 4401
                await room.put_out(SERVICE_RESTART)
                edits_of(client.doc).append("unsent")
        assert "the last edits of room 'room' did not arrive" in caplog.text
