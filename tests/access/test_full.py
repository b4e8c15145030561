"""A server without room for more: who comes is refused for now, and who is inside is unharmed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.guests import eventually, refusal
from tests.life.guest import write
from tests.life.wires import ROOM, Wire
from ycore import ConnectionRejectedError, ServerWire

ANOTHER_ROOM = "another room"

FULL = pytest.mark.parametrize(
    ("option", "room"),
    [("max_connections", ANOTHER_ROOM), ("max_rooms", ANOTHER_ROOM), ("max_clients", ROOM)],
)
"""The options, each with a room into which a second client does not get."""


@FULL
async def test_who_finds_no_place_is_refused_for_now(wire: Wire, option: str, room: str) -> None:
    limit: dict[str, Any] = {option: 1}
    async with wire.server(linger=0, **limit) as server:
        async with wire.client(server) as inside:
            in_sync = inside.synchronized
            error = await refusal(wire.client(server, room))
            assert not isinstance(error, ConnectionRejectedError)
            assert code_of_refusal(wire, option) in str(error)
            assert server.stats().refusals == {option: 1}
            write(inside.doc, "unharmed")
            await inside.flush()
            assert inside.synchronized is in_sync
        await until_deserted(server)
        async with wire.client(server, room):
            assert server.stats().refusals == {option: 1}


def code_of_refusal(wire: Wire, option: str) -> str:
    """Return what a client is told: HTTP says it where there is no websocket yet."""
    before_there_is_a_room = option == "max_connections"
    return "HTTP 503" if wire.name == "websocket" and before_there_is_a_room else "1013"


async def until_deserted(server: ServerWire) -> None:
    await eventually(lambda: not (server.stats().clients or server.stats().rooms))


async def test_the_refusal_is_logged_with_its_option(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire.server(max_clients=1) as server, wire.client(server):
        await refusal(wire.client(server))
    (record,) = [record for record in caplog.records if record.name == "ycore.server"]
    assert "was refused: " in record.getMessage()
    assert record.getMessage().endswith("(the option max_clients)")
