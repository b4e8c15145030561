"""An `authorize` that fails: nobody is let in for now, and an operator learns why."""

from __future__ import annotations

import logging
import re

import pytest
from anyio import Event, fail_after

from tests.access.guests import PATIENCE, Guests, refusal
from tests.access.records import everything_in
from tests.life.guest import write
from tests.life.wires import ROOM, Wire
from ycore import Access, AccessRequest, ConnectionRejectedError, Room

TOKEN = "open_sesame"

CANNOT_TELL = ZeroDivisionError("the list of guests is lost")


async def test_nobody_is_let_in_for_now(wire: Wire, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    made: list[str] = []

    def make(id: str) -> Room:  # noqa: A002
        made.append(id)
        return Room(id)

    guests = Guests(**{TOKEN: CANNOT_TELL})
    async with wire.server(make, authorize=guests) as server:
        error = await refusal(wire.client(server, token=TOKEN))
        assert not isinstance(error, ConnectionRejectedError)
        said = "HTTP 500" if wire.name == "websocket" else "1011 nobody can be let in now"
        assert said in str(error)
        assert made == []
        assert server.stats().refusals == {"authorize failed": 1}
        guests.answers[TOKEN] = Access.READ_WRITE
        async with wire.client(server, token=TOKEN):
            assert made == [ROOM]
    check_the_log(caplog)
    assert str(CANNOT_TELL) not in str(error)


def check_the_log(caplog: pytest.LogCaptureFixture) -> None:
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.name == "ycore.server"
    assert re.fullmatch(r".+: authorize failed for room 'room'", record.getMessage())
    assert str(CANNOT_TELL) in everything_in([record])
    assert TOKEN not in everything_in(caplog.records)


async def test_who_was_inside_comes_back_as_soon_as_it_works_again(wire: Wire) -> None:
    failures = 0
    has_failed_twice = Event()
    is_failing = False

    async def authorize(request: AccessRequest) -> Access:
        nonlocal failures
        if not is_failing:
            return Access.READ_WRITE
        failures += 1
        if failures == 2:
            has_failed_twice.set()
        raise CANNOT_TELL

    async with wire.server(authorize=authorize) as server, wire.client(server) as client:
        is_failing = True
        await server.reauthorize()
        with fail_after(PATIENCE):
            await has_failed_twice.wait()
            is_failing = False
            write(client.doc, "back")
            await client.flush()
        stats = server.stats()
        assert stats.drops == {"authorize failed": 1}
        assert stats.refusals == {"authorize failed": failures - 1}
