"""Updates that lack something before them, from somebody who is gone when that is found out."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pycrdt import Doc, Text

from tests.faults.marks import every_wire
from tests.faults.wires import join, port_of, serve
from ycore import Channel
from ycore.protocol import Kind, decode, encode_update

ATTEMPTS = 20
"""What comes first, the turn of the room or the end of the connection, is left to chance."""


def update_with_a_gap() -> bytes:
    doc: Doc[Any] = Doc()
    text = doc.get("text", type=Text)
    text += "before"
    state = doc.get_state()
    text += " and after"
    return doc.get_update(state)


async def until_asked(channel: Channel) -> None:
    """Wait until the server asks what it lacks."""
    async for frame in channel:
        if any(kind is Kind.STEP1 for kind, _ in decode(frame)):
            return


@every_wire
async def test_who_is_gone_is_not_asked_for_what_is_missing(
    wire: str, caplog: pytest.LogCaptureFixture
) -> None:
    message = encode_update(update_with_a_gap())
    async with serve(wire) as server, join(wire, port_of(server)) as bob:
        in_sync = bob.synchronized
        for _ in range(ATTEMPTS):
            async with join(wire, port_of(server)).open() as channel:
                await until_asked(channel)
                await channel.send(message)
                await until_asked(channel)
                # To be asked once more would take a while now.
                await channel.send(message)
                await channel.aclose()
        await bob.flush()
        assert bob.synchronized is in_sync
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
