"""What the other tests do to the network happens to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    connect_tcp,
    create_task_group,
    create_tcp_listener,
    fail_after,
    move_on_after,
)
from anyio.abc import SocketAttribute, SocketListener, SocketStream

from tests.network.proxy import HOST, Proxy, open_proxy

BOUND = 20.0

ENDS = (EndOfStream, BrokenResourceError)

BOTH_WAYS = bytes(range(256)) * 4096
"""More than the system holds."""


@dataclass
class Line:
    """Both ends of a connection, and the proxy between them."""

    proxy: Proxy
    client: SocketStream
    server: SocketStream


@pytest.fixture
async def line(anyio_backend: Any) -> AsyncIterator[Line]:
    async with connected() as line:
        yield line


@asynccontextmanager
async def connected(*, lag: float = 0.0) -> AsyncIterator[Line]:
    with fail_after(BOUND):
        async with await create_tcp_listener(local_host=HOST) as listener:
            [accepting] = listener.listeners
            assert isinstance(accepting, SocketListener)
            port = listener.extra(SocketAttribute.local_port)
            async with (
                open_proxy(port, lag=lag) as proxy,
                await connect_tcp(HOST, proxy.port) as client,
                await accepting.accept() as server,
            ):
                yield Line(proxy, client, server)


async def hears_nothing(end: SocketStream) -> bool:
    """Whether nothing comes, not even an end; only time tells."""
    with move_on_after(0.05) as scope:
        await end.receive()
    return scope.cancelled_caught


async def is_reset(end: SocketStream) -> bool:
    with pytest.raises(BrokenResourceError) as caught:
        await end.receive()
    return isinstance(caught.value.__cause__, ConnectionResetError)


@pytest.mark.parametrize("lag", [0.0, 0.001])
async def test_bytes_and_ends_go_both_ways(anyio_backend: str, lag: float) -> None:
    async def send_all(end: SocketStream) -> None:
        await end.send(BOTH_WAYS)
        await end.send_eof()

    async with connected(lag=lag) as line, create_task_group() as tasks:
        for sender, receiver in ((line.client, line.server), (line.server, line.client)):
            tasks.start_soon(send_all, sender)
            assert b"".join([piece async for piece in receiver]) == BOTH_WAYS


async def test_an_end_of_one_direction_is_none_of_the_other(line: Line) -> None:
    await line.client.send(b"question")
    await line.client.send_eof()
    assert [piece async for piece in line.server] == [b"question"]
    await line.server.send(b"answer")
    assert await line.client.receive() == b"answer"


async def test_what_lags_takes_its_time(anyio_backend: str) -> None:
    async with connected(lag=0.05) as line:
        start = monotonic()
        await line.client.send(b"question")
        assert await line.server.receive() == b"question"
        assert monotonic() - start >= 0.05


async def test_a_cut_resets_both_ends(line: Line) -> None:
    assert line.proxy.cut() == 1
    for end in (line.client, line.server):
        assert await is_reset(end)
    assert line.proxy.cut() == 0


async def test_it_cuts_in_the_middle_of_a_message(line: Line) -> None:
    line.proxy.cut(after=5)
    # The first of two cuts counts.
    line.proxy.cut(after=3)
    line.proxy.cut(after=4)
    await line.client.send(b"message")
    assert await line.server.receive() == b"mes"
    for end in (line.server, line.client):
        assert await is_reset(end)


async def test_a_cut_comes_after_the_bytes_of_both_directions(line: Line) -> None:
    line.proxy.cut(after=3)
    await line.client.send(b"up")
    assert await line.server.receive() == b"up"
    await line.server.send(b"down")
    assert await line.client.receive() == b"d"
    for end in (line.server, line.client):
        assert await is_reset(end)


async def test_what_is_stalled_arrives_when_it_goes_on(line: Line) -> None:
    line.proxy.stall()
    for sender, receiver in ((line.client, line.server), (line.server, line.client)):
        await sender.send(b"late")
        assert await hears_nothing(receiver)
    line.proxy.resume()
    for end in (line.client, line.server):
        assert await end.receive() == b"late"


@pytest.mark.parametrize("direction", ["to_server", "to_client"])
async def test_one_direction_can_be_stalled_alone(line: Line, direction: str) -> None:
    ends = [line.client, line.server]
    sender, receiver = ends if direction == "to_server" else ends[::-1]
    line.proxy.stall(to_server=direction == "to_server", to_client=direction == "to_client")
    await receiver.send(b"heard")
    assert await sender.receive() == b"heard"
    await sender.send(b"unheard")
    assert await hears_nothing(receiver)
    line.proxy.cut()
    assert await is_reset(receiver)


async def test_an_end_is_held_back_like_all_else(line: Line) -> None:
    line.proxy.stall(to_server=False)
    await line.server.aclose()
    # What is sent to somebody who is gone is answered: that is held back too.
    await line.client.send(b"anybody there?")
    assert await hears_nothing(line.client)
    line.proxy.resume()
    with pytest.raises(ENDS):
        await line.client.receive()


async def test_little_is_held_of_what_is_stalled(line: Line) -> None:
    """Clients and servers notice stalls by what they cannot send any more."""
    line.proxy.stall()
    with move_on_after(0.2) as scope:
        await line.client.send(bytes(8_000_000))
    assert scope.cancelled_caught


async def test_nobody_is_reached_at_a_host_that_is_down(anyio_backend: str) -> None:
    with fail_after(BOUND):
        async with open_proxy(lambda: None) as proxy:
            async with await connect_tcp(HOST, proxy.port) as client:
                assert await is_reset(client)


async def test_nobody_is_reached_where_nobody_listens(anyio_backend: str) -> None:
    with fail_after(BOUND):
        async with await create_tcp_listener(local_host=HOST) as listener:
            port = listener.extra(SocketAttribute.local_port)
        async with open_proxy(port) as proxy:
            async with await connect_tcp(HOST, proxy.port) as client:
                assert await is_reset(client)


async def test_who_is_unplugged_is_reached_when_plugged_in_again(anyio_backend: str) -> None:
    with fail_after(BOUND):
        async with await create_tcp_listener(local_host=HOST) as listener:
            [accepting] = listener.listeners
            assert isinstance(accepting, SocketListener)
            async with open_proxy(listener.extra(SocketAttribute.local_port)) as proxy:
                async with await connect_tcp(HOST, proxy.port) as client:
                    proxy.unplug()
                    assert await is_reset(client)
                async with await connect_tcp(HOST, proxy.port) as client:
                    assert await is_reset(client)
                proxy.plug_in()
                async with await connect_tcp(HOST, proxy.port) as client:
                    await client.send(b"hello")
                    # The first one was unplugged before, or after, the server had accepted it.
                    while True:
                        async with await accepting.accept() as server:
                            try:
                                assert await server.receive() == b"hello"
                            except ENDS:
                                continue
                            break
