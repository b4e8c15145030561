"""Who asks and does not read the answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress

import pytest
from anyio import BrokenResourceError, create_task_group, fail_after
from pycrdt import Array

from tests.load.bounds import KIB, MEMORY_MESSAGES, bounded_memory
from tests.load.content import Content, check_content, receive_all_of
from tests.load.peers import Peer, join
from tests.load.scene import keep_send_buffers_small, serve
from ycore.protocol import Kind, encode_echo, encode_step1
from ycore.replica import EMPTY_STATE

MIB = 1024 * KIB
QUERY_AWARENESS = b"\x03"
QUESTIONS = [encode_step1(EMPTY_STATE), QUERY_AWARENESS]


ASIDE = 16 * MIB
"""What both sides may need for what is under way, and to encode and to decode it."""


async def ask(peer: Peer, questions: Sequence[bytes], times: int) -> None:
    """Ask again and again, until the connection ends."""
    with suppress(BrokenResourceError):
        for _ in range(times):
            for question in questions:
                await peer.channel.send(question)


@pytest.fixture(autouse=True)
def small_send_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_send_buffers_small(monkeypatch)


async def test_who_makes_large_replies_wait_is_dropped(
    wire: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = Content(50, 1_000)
    transport = MEMORY_MESSAGES * MIB if wire == "memory" else 0
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        scene = await enter(serve(wire, close_timeout=0.2))
        writer = await enter(join(wire, scene.address))
        reader = await enter(join(wire, scene.address))
        hoarder = await enter(join(wire, scene.address))
        with fail_after(30), bounded_memory(transport + ASIDE):
            async with create_task_group() as tasks:
                receive_all_of(content, [reader], tasks)
                tasks.start_soon(ask, hoarder, [encode_echo(bytes(MIB)), *QUESTIONS], 200)
                await scene.room.first_departure.wait()
                await writer.write(content.updates, together=1)
        check_content([reader], content)
        assert len(scene.room.clients) == 2
        await hoarder.receive_all()
    # A websocket is cut off: its close frame would have to wait for what is not read.
    assert hoarder.channel.close_code == 1008 or wire == "websocket"
    (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert "was dropped: too many" in warning


async def test_who_asks_again_and_again_is_answered_when_it_reads(wire: str) -> None:
    """Each question for the content is answered, though not each with the content."""
    times, size = 500, 100_000
    transport = MEMORY_MESSAGES * size if wire == "memory" else 0
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        scene = await enter(serve(wire))
        scene.room.doc["array"] = Array(["." * size])
        writer = await enter(join(wire, scene.address))
        asking = await enter(join(wire, scene.address))
        with fail_after(30), bounded_memory(transport + ASIDE):
            await ask(asking, QUESTIONS, times)
            await writer.round_trip()
            answers = 0
            while answers < times:
                await asking.receive_kind(Kind.STEP2)
                answers += 1
