"""What zmq peers are kept from."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest
import zmq
from anyio import (
    BrokenResourceError,
    EndOfStream,
    connect_tcp,
    fail_after,
    wait_all_tasks_blocked,
)
from anyio.abc import SocketStream

from ycore import ConnectError, ConnectionRejectedError
from ywire_zmq import ZmqClient, ZmqServer, sockets
from ywire_zmq.frames import MAX_FRAME_SIZE, Bye, Hello, Welcome, decode, encode
from ywire_zmq.sockets import MAX_UNREAD

# The fixtures, whose classes are in conftest.py.
Serve = Callable[..., AbstractAsyncContextManager[Any]]
Peer = Callable[..., AbstractContextManager[Any]]


async def until_dropped(stream: SocketStream) -> None:
    with fail_after(10):
        try:
            while True:
                await stream.receive()
        except (EndOfStream, BrokenResourceError):
            pass


async def test_a_full_server_refuses_for_now() -> None:
    async with ZmqServer(max_connections=1) as server:
        async with ZmqClient(port=server.port):
            with fail_after(5), pytest.raises(ConnectError, match="1013") as caught:
                async with ZmqClient(port=server.port):
                    raise AssertionError("connected")
            assert not isinstance(caught.value, ConnectionRejectedError)
            assert server.stats().refusals == {"max_connections": 1}
            assert server.stats().clients == 1


async def test_a_place_is_free_again(raw_peer: Peer) -> None:
    async with ZmqServer(max_connections=1) as server:
        hello = encode(Hello("room"))
        for _ in range(2):
            with raw_peer(server.endpoint) as inside:
                inside.send(hello)
                assert isinstance(decode(await inside.receive()), Welcome)
                with raw_peer(server.endpoint) as outside:
                    outside.send(hello)
                    await outside.receive()
                    assert isinstance(bye := decode(await outside.receive()), Bye)
                    assert bye.code == 1013
                    # It has been sent away, and is not heard any more.
                    outside.send(hello)
                inside.send(encode(Bye(1000)))
                with fail_after(5):
                    while server.stats().clients:
                        await wait_all_tasks_blocked()
    assert server.stats().connections == 2


@pytest.mark.parametrize("beginning", [b"", b"\xff" + bytes(8) + b"\x7f"])
async def test_who_does_not_finish_the_greeting_is_dropped(
    monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr(sockets, "HANDSHAKE_MS", 200)
    async with ZmqServer() as server, await connect_tcp("127.0.0.1", server.port) as stream:
        await stream.send(beginning)
        await until_dropped(stream)


async def test_a_frame_that_is_far_too_large_is_not_read(serve: Serve, raw_peer: Peer) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(encode(Hello("room")))
            channel = await served.accept()
            peer.send(bytes(MAX_FRAME_SIZE + 1))
            with fail_after(5), pytest.raises(BrokenResourceError):
                await channel.receive()
        async with served.pair() as (client, server):
            await client.send(b"unharmed")
            assert await server.receive() == b"unharmed"


async def test_a_busy_server_takes_in_no_more_than_some_frames(raw_peer: Peer) -> None:
    async with ZmqServer() as server:
        with raw_peer(server.endpoint, most_waiting=1) as peer:
            peer.send(encode(Hello("room")))
            assert isinstance(decode(await peer.receive()), Welcome)
            ignored = b"\xff" + bytes(MAX_FRAME_SIZE - 1)
            sent = 0
            # The event loop has no turn meanwhile. The system's socket buffers take some, too.
            while sent < 4 * MAX_UNREAD and peer.socket.poll(200, zmq.POLLOUT):
                peer.send(ignored)
                sent += 1
            assert sent < 2 * MAX_UNREAD
        async with ZmqClient(port=server.port):
            pass
