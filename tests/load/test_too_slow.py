"""Who does not read for as long as `send_timeout` is dropped, and nobody else."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
from anyio import create_task_group, fail_after

from tests.load.content import Content, check_content, receive_all_of
from tests.load.peers import join, open_deaf
from tests.load.scene import serve
from ycore.protocol import Kind

CONTENT = Content(300, 20_000)
"""More than any transport takes."""

SEND_TIMEOUT = 0.5


@pytest.mark.parametrize("talks", [False, True], ids=["silent", "talking"])
async def test_a_sleeper_is_dropped_and_nobody_else(
    wire: str, talks: bool, caplog: pytest.LogCaptureFixture
) -> None:
    *most, last = CONTENT.updates
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        scene = await enter(serve(wire, send_timeout=SEND_TIMEOUT, close_timeout=0.2))
        writer = await enter(join(wire, scene.address))
        readers = [await enter(join(wire, scene.address)) for _ in range(3)]
        sleeper = await enter(open_deaf(wire, scene.address))
        await sleeper.ask()
        await sleeper.receive_kind(Kind.STEP2)

        with fail_after(30):
            async with create_task_group() as tasks:
                receive_all_of(CONTENT, readers, tasks)
                async with create_task_group() as talking:
                    if talks:
                        talking.start_soon(sleeper.talk)
                    await writer.write(most, together=1)
                    await scene.room.first_departure.wait()
                    talking.cancel_scope.cancel()
                await writer.write([last], together=1)
            await sleeper.receive_all()
        check_content(readers, CONTENT)
        assert len(scene.room.clients) == 1 + len(readers)

    channel = sleeper.channel
    # A websocket is cut off: its close frame would have to wait for what is not read.
    told = (None, "") if wire == "websocket" else (1008, "too slow")
    assert (channel.close_code, channel.close_reason) == told
    (warning,) = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    assert warning.endswith(" was dropped: too slow")
