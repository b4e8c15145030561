"""What the other tests do to the network happens to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    connect_tcp,
    create_memory_object_stream,
    create_task_group,
    create_tcp_listener,
    fail_after,
    move_on_after,
    sleep_forever,
)
from anyio.abc import SocketAttribute, SocketStream

from tests.faults.proxy import Proxy, open_proxy


@dataclass
class Line:
    proxy: Proxy
    client: SocketStream
    server: SocketStream


@pytest.fixture
async def line(anyio_backend: Any) -> AsyncIterator[Line]:
    """Give both ends of a connection, and the proxy between them."""
    async with connected() as line:
        yield line


@asynccontextmanager
async def connected() -> AsyncIterator[Line]:
    handed_over, received = create_memory_object_stream[SocketStream](1)

    async def hand_over(stream: SocketStream) -> None:
        async with stream:
            await handed_over.send(stream)
            await sleep_forever()

    with handed_over, received, fail_after(20):
        async with await create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(SocketAttribute.local_port)
            async with create_task_group() as tasks, open_proxy(port) as proxy:
                tasks.start_soon(listener.serve, hand_over)
                async with await connect_tcp("127.0.0.1", proxy.port) as client:
                    yield Line(proxy, client, await received.receive())
                tasks.cancel_scope.cancel()


async def hears_nothing(end: SocketStream) -> bool:
    """Whether nothing comes, not even an end; only time tells."""
    with move_on_after(0.05) as scope:
        await end.receive()
    return scope.cancelled_caught


async def test_bytes_and_ends_go_both_ways(line: Line) -> None:
    big = bytes(range(256)) * 4096

    async def send_all(end: SocketStream) -> None:
        await end.send(big)
        await end.send_eof()

    async with create_task_group() as tasks:
        for sender, receiver in ((line.client, line.server), (line.server, line.client)):
            tasks.start_soon(send_all, sender)
            assert b"".join([piece async for piece in receiver]) == big


async def test_a_cut_resets_both_ends(line: Line) -> None:
    assert line.proxy.cut() == 1
    for end in (line.client, line.server):
        with pytest.raises(BrokenResourceError) as caught:
            await end.receive()
        assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert line.proxy.cut() == 0


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


async def test_an_end_is_held_back_like_all_else(line: Line) -> None:
    line.proxy.stall(to_server=False)
    await line.server.aclose()
    # What is sent to somebody who is gone is answered: that is held back too.
    await line.client.send(b"anybody there?")
    assert await hears_nothing(line.client)
    line.proxy.resume()
    with pytest.raises((EndOfStream, BrokenResourceError)):
        await line.client.receive()
