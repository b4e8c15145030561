"""Somebody who was let in and says nothing."""

from __future__ import annotations

from dataclasses import replace

from tests.access.guests import close_code_of, until_clients
from tests.life.guest import write
from tests.life.wires import Wire

TIMEOUT = 0.3
"""In seconds."""


async def test_who_says_nothing_is_dropped(wire: Wire) -> None:
    async with wire.server() as server, wire.client(server) as talker:
        # For who comes from now on: on a busy machine the talker may have needed more.
        server.limits = replace(server.limits, handshake_timeout=TIMEOUT)
        in_sync = talker.synchronized
        async with wire.client(server).open() as silent:
            assert await close_code_of(silent) == 1008
        await until_clients(server, 1)
        assert server.stats().drops == {"too slow": 1}
        write(talker.doc, "goes on")
        await talker.flush()
        assert talker.synchronized is in_sync
