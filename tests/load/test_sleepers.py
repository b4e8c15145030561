"""Some of fifty clients stop reading while 5,000 updates of 1 KB are written.

The server is a process of its own, whose memory is measured. On the memory wire it is in this one,
where the clients keep all that they receive: there it is what the sleepers receive in the end that
tells what had waited for them.
"""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack

import pytest
from anyio import create_task_group

from benchmarks.servers import serving
from tests.load.bounds import ALLOWANCE, EACH, check_waiting
from tests.load.content import Content, check_content, receive_all_of
from tests.load.peers import join, open_deaf
from ycore.protocol import Kind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in /proc")

CLIENTS = 50
CONTENT = Content(5_000, 1_000)
TOGETHER = 25


@pytest.mark.parametrize("count", [1, 20])
async def test_sleepers_hold_up_nobody_and_get_the_rest_at_once(
    wire: str, anyio_backend: str, count: int
) -> None:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        server = await enter(serving(wire, anyio_backend))
        writer = await enter(join(wire, server.options))
        readers = [await enter(join(wire, server.options)) for _ in range(CLIENTS - count - 1)]
        sleepers = [await enter(open_deaf(wire, server.options)) for _ in range(count)]
        for sleeper in sleepers:
            await sleeper.ask()
            await sleeper.receive_kind(Kind.STEP2)

        with server.memory.growing() as growth:
            async with create_task_group() as tasks:
                receive_all_of(CONTENT, readers, tasks)
                await writer.write(CONTENT.updates, together=TOGETHER)
        check_content(readers, CONTENT)
        assert wire == "memory" or growth.peak <= CONTENT.size + ALLOWANCE + count * EACH

        with server.memory.growing() as growth:
            async with create_task_group() as tasks:
                receive_all_of(CONTENT, sleepers, tasks)
        check_content(sleepers, CONTENT)
        for sleeper in sleepers:
            check_waiting(sleeper, wire, reader=readers[0])
        # They wake at the same time: each is sent one difference, of which a transport has a copy.
        assert wire == "memory" or growth.peak <= 2 * (count + 2) * CONTENT.size


async def test_who_never_reads_holds_up_nobody(wire: str, anyio_backend: str) -> None:
    """Not even the content that was there before."""
    deaf_count, reader_count = 5, 10
    half = len(CONTENT.updates) // 2
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        server = await enter(serving(wire, anyio_backend))
        writer = await enter(join(wire, server.options))
        await writer.write(CONTENT.updates[:half], together=TOGETHER)
        readers = [await enter(join(wire, server.options)) for _ in range(reader_count)]

        with server.memory.growing() as growth:
            deaf = [await enter(open_deaf(wire, server.options)) for _ in range(deaf_count)]
            for peer in deaf:
                await peer.ask()
            async with create_task_group() as tasks:
                receive_all_of(CONTENT, readers, tasks)
                await writer.write(CONTENT.updates[half:], together=TOGETHER)
        check_content(readers, CONTENT)
        before = (deaf_count + 2) * CONTENT.size / 2
        assert wire == "memory" or growth.peak <= before + CONTENT.size / 2 + ALLOWANCE

        async with create_task_group() as tasks:
            receive_all_of(CONTENT, deaf, tasks)
        check_content(deaf, CONTENT)
        for peer in deaf:
            # What was there when it joined, and what has come since.
            check_waiting(peer, wire, reader=readers[0], differences=2)
