"""Connections that end, or fall silent, on their way."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from anyio import Event, create_task_group, fail_after

from tests.faults.edits import edits_of
from tests.faults.marks import networked_wires
from tests.faults.status import watching_status
from tests.faults.wires import join, port_of, serve
from tests.faults.writing import Writer, until_all_have_all
from tests.network.proxy import Proxy, open_proxy
from ycore import Access, AccessRequest, Room, Status

pytestmark = networked_wires

PATIENCE = 20.0

SILENCE = 0.6
"""How long a peer may be silent, in seconds."""

HEARTBEATS = {"websocket": SILENCE / 1.5, "zmq": SILENCE / 3}

IN_TIME = 7 * SILENCE
"""Within this who is silent is given up on a busy machine too, but not by a heartbeat that is ten
times as long."""

LARGE = 5_000_000
"""More bytes than the system takes for somebody who does not read."""


@dataclass
class Scene:
    """Ann, whose connection breaks, and Bob, whose does not, in one room."""

    ann: Writer
    bob: Writer
    room: Room
    proxy: Proxy

    async def until_together(self) -> None:
        """Wait until both see each other."""
        await self.ann.until_sees("Bob")
        await self.bob.until_sees("Ann")

    async def until_in_sync(self) -> None:
        """Wait until all have all that was written."""
        docs = [self.ann.client.doc, self.bob.client.doc, self.room.doc]
        await until_all_have_all(docs, self.ann.written + self.bob.written)


@asynccontextmanager
async def playing(wire: str, **options: Any) -> AsyncIterator[Scene]:
    """Have Ann and Bob connected; the options are those of Ann's client."""
    common: dict[str, Any] = {"heartbeat": HEARTBEATS[wire], "close_timeout": 1}
    async with (
        serve(wire, **common) as server,
        join(wire, port_of(server), **common) as direct,
        open_proxy(port_of(server)) as proxy,
        join(wire, proxy.port, **{**common, **options}) as client,
    ):
        room = await server.rooms.get(direct.id)
        yield Scene(Writer(client, "Ann"), Writer(direct, "Bob"), room, proxy)


def cut(proxy: Proxy) -> None:
    """Cut the connection, and let nobody through who tries again."""
    assert proxy.cut() == 1
    proxy.stall()


BREAKS: dict[str, Callable[[Proxy], None]] = {
    "cut": cut,
    "stalled": Proxy.stall,
    "client-unheard": lambda proxy: proxy.stall(to_client=False),
    "server-unheard": lambda proxy: proxy.stall(to_server=False),
}


@pytest.mark.parametrize("break_", BREAKS.values(), ids=BREAKS.keys())
async def test_both_ends_notice_and_the_client_comes_back(
    wire: str, break_: Callable[[Proxy], None]
) -> None:
    async with playing(wire) as scene:
        ann, bob = scene.ann, scene.bob
        async with ann.writing(), bob.writing():
            await scene.until_together()
            async with watching_status(ann.client) as status:
                break_(scene.proxy)
                with fail_after(IN_TIME):
                    await bob.until_sees()
                    await status.until_lost()
                assert ann.sees([])
                for writer in (ann, bob):
                    for _ in range(10):
                        writer.write()
                scene.proxy.resume()
                await status.until_back()
        await scene.until_together()
        await scene.until_in_sync()


async def test_who_was_given_up_unawares_comes_back(wire: str) -> None:
    """The client hears of it as soon as it can be heard again."""
    async with playing(wire, heartbeat=60) as scene:
        await scene.until_together()
        # A zmq server tells its clients its own heartbeat: this one goes on hearing it for a while.
        scene.proxy.stall(to_client=wire == "websocket")
        await scene.bob.until_sees(timeout=IN_TIME)
        assert scene.ann.client.status is Status.CONNECTED
        scene.ann.write()
        scene.bob.write()
        scene.proxy.resume()
        await scene.until_together()
        await scene.until_in_sync()


async def test_an_attempt_that_gets_no_answer_is_given_up_and_repeated(wire: str) -> None:
    async with playing(wire, connect_timeout=3) as scene:
        await scene.until_together()
        async with watching_status(scene.ann.client) as status:
            scene.proxy.stall()
            with fail_after(IN_TIME):
                await status.until_lost()
            await status.until_an_attempt_fails()
            scene.ann.write()
            scene.bob.write()
            scene.proxy.resume()
            await status.until_back()
        await scene.until_together()
        await scene.until_in_sync()


async def test_a_connection_that_stalls_in_mid_message_is_noticed(wire: str) -> None:
    """Each end waits for the other to read, and has more to say than there is room for."""
    async with playing(wire) as scene:
        ann, bob = scene.ann, scene.bob
        await scene.until_together()
        async with watching_status(ann.client) as status:
            scene.proxy.stall()
            for writer in (ann, bob):
                large = f"{writer.name}: " + "x" * LARGE
                edits_of(writer.client.doc).append(large)
                writer.written.append(large)
            with fail_after(IN_TIME):
                await bob.until_sees()
                await status.until_lost()
            scene.proxy.resume()
            await status.until_back()
        await scene.until_together()
        await scene.until_in_sync()


async def test_who_goes_while_it_is_let_in_is_no_fault_of_the_server(
    wire: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked, decided = Event(), Event()

    async def authorize(request: AccessRequest) -> Access:
        if not asked.is_set():
            asked.set()
            await decided.wait()
        return Access.READ_WRITE

    async def knock(port: int) -> None:
        async with join(wire, port):
            raise AssertionError("let in")

    async with serve(wire, authorize=authorize) as server:
        with fail_after(PATIENCE):
            async with create_task_group() as tasks:
                tasks.start_soon(knock, port_of(server))
                await asked.wait()
                tasks.cancel_scope.cancel()
            # The server has taken note of it when others have been served.
            async with join(wire, port_of(server)):
                decided.set()
            async with join(wire, port_of(server)):
                pass
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
