"""The proxy does to connections what it says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
    fail_after,
)
from anyio.abc import SocketAttribute, SocketListener, SocketStream

from tests.chaos.gate import Gate
from tests.chaos.proxy import Proxy

HOST = "127.0.0.1"
BOUND = 10

ENDS = (BrokenResourceError, EndOfStream)


class Ends(NamedTuple):
    """Both ends of a connection, and what is between them."""

    client: SocketStream
    server: SocketStream
    proxy: Proxy
    up: Gate
    down: Gate


@asynccontextmanager
async def connected(*, lag: float = 0.0) -> AsyncIterator[Ends]:
    with fail_after(BOUND):
        async with await create_tcp_listener(local_host=HOST) as listener:
            [accepting] = listener.listeners
            assert isinstance(accepting, SocketListener)
            port = listener.extra(SocketAttribute.local_port)
            up, down = Gate(), Gate()
            proxy = Proxy(lambda: port, up=up, down=down, lag=lag)
            async with create_task_group() as tasks:
                await tasks.start(proxy.run)
                async with await connect_tcp(HOST, proxy.port) as client:
                    async with await accepting.accept() as server:
                        yield Ends(client, server, proxy, up, down)
                tasks.cancel_scope.cancel()


@pytest.mark.parametrize("lag", [0.0, 0.01])
async def test_it_forwards_both_ways_and_the_end(lag: float) -> None:
    async with connected(lag=lag) as ends:
        await ends.client.send(b"question")
        assert await ends.server.receive() == b"question"
        await ends.client.send_eof()
        with pytest.raises(EndOfStream):
            await ends.server.receive()
        await ends.server.send(b"answer")
        assert await ends.client.receive() == b"answer"


async def test_stalls_are_of_one_direction() -> None:
    async with connected() as ends:
        ends.down.close()
        await ends.server.send(b"down")
        await ends.client.send(b"up")
        assert await ends.server.receive() == b"up"
        ends.proxy.cut()
        with pytest.raises(ENDS):
            await ends.client.receive()


async def test_what_was_stalled_goes_on() -> None:
    async with connected() as ends:
        ends.up.close()
        await ends.client.send(b"up")
        ends.up.open()
        assert await ends.server.receive() == b"up"


async def test_it_cuts_in_the_middle_of_a_message() -> None:
    async with connected() as ends:
        ends.proxy.cut(after=3)
        await ends.client.send(b"message")
        assert await ends.server.receive() == b"mes"
        for end in (ends.server, ends.client):
            with pytest.raises(ENDS):
                await end.receive()


async def test_nobody_is_reached_at_a_host_that_is_down() -> None:
    with fail_after(BOUND):
        async with create_task_group() as tasks:
            proxy = Proxy(lambda: None, up=Gate(), down=Gate())
            await tasks.start(proxy.run)
            async with await connect_tcp(HOST, proxy.port) as client:
                with pytest.raises(ENDS):
                    await client.receive()
            tasks.cancel_scope.cancel()
