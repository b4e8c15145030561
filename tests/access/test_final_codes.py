"""Close codes that stop a client for good, though they are none of 4400 to 4499."""

from __future__ import annotations

import pytest
from anyio import TASK_STATUS_IGNORED, create_task_group, fail_after, sleep_forever
from anyio.abc import TaskStatus

from tests.access.guests import PATIENCE, refusal
from tests.life.guest import write
from tests.life.wires import ROOM, Wire
from ycore import Channel, ConnectionRejectedError, MessageTooLargeError, Room, Status

KIB = 1024

REASON = "this makes no sense"

FINAL = pytest.mark.parametrize("code", [1007, 1009])


@FINAL
async def test_who_is_put_out_stops(wire: Wire, code: int) -> None:
    async with wire.server() as server, create_task_group() as tasks:
        client = wire.client(server)
        with fail_after(PATIENCE), pytest.raises(ConnectionRejectedError) as caught:
            async with client:
                (channel,) = (await server.rooms.get(ROOM)).clients
                tasks.start_soon(channel.aclose, code, REASON)
                await sleep_forever()
        assert (caught.value.code, caught.value.reason) == (code, REASON)
        assert client.status is Status.DISCONNECTED
        assert server.stats().connections == 1


@FINAL
async def test_who_is_refused_at_the_door_stops(wire: Wire, code: int) -> None:
    class ClosedRoom(Room):
        async def serve(
            self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
        ) -> None:
            await client.aclose(code, REASON)

    async with wire.server(ClosedRoom) as server:
        error = await refusal(wire.client(server))
        assert isinstance(error, ConnectionRejectedError)
        assert (error.code, error.reason) == (code, REASON)


async def test_who_shows_too_much_of_itself_stops(wire: Wire) -> None:
    async with wire.server(max_awareness_size=KIB) as server:
        with fail_after(PATIENCE), pytest.raises(ConnectionRejectedError) as caught:
            async with wire.client(server) as client:
                client.awareness.set_local_state({"name": "x" * KIB})
                await sleep_forever()
        assert caught.value.code == 1009
        assert "max_awareness_size" in caught.value.reason


async def test_who_writes_too_much_at_a_time_stops(wire: Wire) -> None:
    """On zmq a client knows the limit of its server, and finds out by itself."""
    error, said = (
        (MessageTooLargeError, "max_message_size")
        if wire.name == "zmq"
        else (ConnectionRejectedError, "1009")
    )
    async with wire.server(max_message_size=KIB) as server:
        with fail_after(PATIENCE), pytest.raises(error, match=said):
            async with wire.client(server) as client:
                write(client.doc, "too much", "x" * KIB)
                await sleep_forever()
        assert server.stats().connections == 1
