"""What is particular to zmq; what all wires have in common is in the conformance suite."""

from __future__ import annotations

import errno
import gc
import logging
import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    create_task_group,
    fail_after,
    move_on_after,
)
from anyio.lowlevel import checkpoint

from ycore import Channel, ConnectError, ConnectionRejectedError, MessageTooLargeError
from ycore import ProtocolError as ProtocolViolation
from ywire_zmq import ZmqClient, ZmqServer
from ywire_zmq.frames import Ack, Bye, Hello, Piece, Ping, Pong, Welcome, decode, encode

# The fixtures, whose classes are in conftest.py.
Serve = Callable[..., AbstractAsyncContextManager[Any]]
Run = Callable[[str], AbstractAsyncContextManager[Any]]
Peer = Callable[..., AbstractContextManager[Any]]
Router = tuple[Any, str]

PATIENCE_MS = 5000
HELLO = encode(Hello("room"))


async def fill(channel: Channel, message: bytes = b"x" * 100_000) -> int:
    """Send until the channel stays full; return how many messages went."""
    count = 0
    with fail_after(10):
        while True:
            with move_on_after(0.1) as patience:
                await channel.send(message)
                count += 1
            if patience.cancelled_caught:
                if not channel.send_nowait(message):
                    return count
                # It was not the channel that was full, but the machine that was busy.
                count += 1


# Messages


@pytest.mark.parametrize(
    "message", [b"", b"\0", b"\x7f", b"\x80", b"\xf0", b"\xf2\x03", b"\xff\xff"]
)
async def test_any_bytes_are_a_message(serve: Serve, message: bytes) -> None:
    async with serve() as served, served.pair() as (client, server):
        await client.send(message)
        assert await server.receive() == message
        assert server.send_nowait(message)
        assert await client.receive() == message


async def test_both_ends_send_and_receive_at_once(serve: Serve) -> None:
    """Sending takes the edge of the file descriptor away: a receiver must not wait for ever."""
    count = 3000

    async def send(channel: Channel) -> None:
        for number in range(count):
            await channel.send(b"%d" % number)

    async def receive(channel: Channel) -> None:
        for number in range(count):
            assert await channel.receive() == b"%d" % number

    async with serve() as served, served.pair() as (client, server):
        with fail_after(60):
            async with create_task_group() as tasks:
                for channel in (client, server):
                    tasks.start_soon(send, channel)
                    tasks.start_soon(receive, channel)


async def test_ping_pong_never_stalls(serve: Serve) -> None:
    async with serve() as served, served.pair() as (client, server):
        with fail_after(30):
            for number in range(2000):
                assert client.send_nowait(b"%d" % number)
                assert await server.receive() == b"%d" % number
                assert server.send_nowait(b"%d" % number)
                assert await client.receive() == b"%d" % number


async def test_the_client_respects_the_limit_of_the_server(serve: Serve) -> None:
    async with serve(max_message_size=1000) as served, served.pair() as (client, server):
        with pytest.raises(MessageTooLargeError, match=r"1001 .* 1000"):
            await client.send(b"x" * 1001)
        await client.send(b"\xff" * 1000)
        assert len(await server.receive()) == 1000


async def test_a_message_over_the_limit_is_refused_in_words(serve: Serve) -> None:
    async with serve() as served, served.pair(max_message_size=1000) as (client, server):
        await server.send(b"fits")
        await server.send(b"x" * 1001)
        assert await client.receive() == b"fits"
        with pytest.raises(MessageTooLargeError, match=r"1001 .* 1000"):
            await client.receive()


# The handshake


async def test_hello_is_answered_by_welcome(serve: Serve, raw_peer: Peer) -> None:
    async with serve(heartbeat=2, max_message_size=1234) as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(HELLO)
            assert decode(await peer.receive()) == Welcome(2000, 1234)
            assert (await served.accept()).id == "room"


@pytest.mark.parametrize(
    "parts",
    [
        [b"\0\0\x01\0"],
        [b""],
        [encode(Ping())],
        [encode(Welcome(1, 1))],
        [HELLO[:-1]],
        [b"\xff"],
        [HELLO, HELLO],
    ],
)
async def test_who_does_not_begin_with_hello_is_refused(
    serve: Serve, raw_peer: Peer, caplog: pytest.LogCaptureFixture, parts: list[bytes]
) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint) as peer, caplog.at_level(logging.INFO, "ywire.zmq"):
            peer.send(*parts)
            peer.send(*parts)
            bye = decode(await peer.receive())
            assert isinstance(bye, Bye)
            assert bye.code == 1002
            async with served.pair():
                pass  # the second message has been received by now
            assert len(caplog.records) == 1


async def test_another_version_is_refused_for_good(serve: Serve, raw_peer: Peer) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(b"\xf0\x63something else")
            bye = decode(await peer.receive())
            assert isinstance(bye, Bye)
            assert bye.code == 4400


async def test_a_chosen_identity_is_refused(serve: Serve, raw_peer: Peer) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint, routing_id=b"alice") as peer:
            peer.send(HELLO)
            assert isinstance(decode(await peer.receive()), Bye)


@pytest.mark.parametrize(
    "frame", [HELLO, encode(Welcome(1, 1)), b"\xf2", b"\xf0", encode(Piece(1, b"")), b"\xf7"]
)
async def test_a_misplaced_or_malformed_frame_is_an_error_of_the_channel(
    serve: Serve, raw_peer: Peer, frame: bytes
) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(HELLO)
            channel = await served.accept()
            await peer.receive()
            peer.send(b"before")
            peer.send(frame)
            assert await channel.receive() == b"before"
            with pytest.raises(ProtocolViolation) as caught:
                await channel.receive()
            await channel.aclose(caught.value.code, "bad frame")
            assert decode(await peer.receive()) == Bye(1002, "bad frame")


async def test_a_message_of_several_parts_cannot_pass_for_two(serve: Serve, raw_peer: Peer) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(HELLO)
            channel = await served.accept()
            peer.send(b"one", b"two", b"three")
            with pytest.raises(ProtocolViolation):
                await channel.receive()
        async with served.pair() as (client, server):
            await client.send(b"unharmed")
            assert await server.receive() == b"unharmed"


async def test_unknown_control_frames_are_ignored(serve: Serve, raw_peer: Peer) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(HELLO)
            channel = await served.accept()
            peer.send(b"\xff from the future")
            peer.send(b"message")
            assert await channel.receive() == b"message"


async def test_ping_is_answered(serve: Serve, raw_peer: Peer) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(HELLO)
            await peer.receive()
            peer.send(encode(Ping()))
            assert decode(await peer.receive()) == Pong()


async def test_the_client_is_told_that_its_version_is_refused(raw_router: Router) -> None:
    socket, endpoint = raw_router

    async def refuse() -> None:
        identity, _ = await socket.receive_parts()
        socket.send(identity, encode(Bye(4400, "too old")))

    async with create_task_group() as tasks:
        tasks.start_soon(refuse)
        with pytest.raises(ConnectionRejectedError, match="4400 too old"):
            async with ZmqClient(endpoint=endpoint).open():
                pass


@pytest.mark.parametrize("answer", [encode(Bye(1013, "busy")), b"\0\0", b"\xf1\x01", b"\xf4"])
async def test_any_other_answer_than_welcome_is_a_connection_error(
    raw_router: Router, answer: bytes
) -> None:
    socket, endpoint = raw_router

    async def reply() -> None:
        identity, _ = await socket.receive_parts()
        socket.send(identity, answer)

    async with create_task_group() as tasks:
        tasks.start_soon(reply)
        with pytest.raises(ConnectError, match=endpoint):
            async with ZmqClient(endpoint=endpoint).open():
                pass


# The end


async def test_bye_arrives_after_what_was_sent(serve: Serve) -> None:
    async with serve() as served, served.pair() as (client, server):
        for number in range(20):
            await server.send(bytes([number]) * 50_000)
        await server.aclose(4403, "go away")
        assert [(await client.receive())[0] for _ in range(20)] == list(range(20))
        with pytest.raises(EndOfStream):
            await client.receive()
        assert (client.close_code, client.close_reason) == (4403, "go away")
        with pytest.raises(EndOfStream):
            await client.receive()
        with pytest.raises(BrokenResourceError):
            await client.send(b"")


async def test_leaving_sends_what_was_sent_before(serve: Serve) -> None:
    async with serve() as served:
        async with served.pair() as (client, server):
            for number in range(20):
                await client.send(bytes([number]) * 50_000)
            await client.aclose(1000, "done")
        assert [len(message) async for message in server] == [50_000] * 20
        assert (server.close_code, server.close_reason) == (1000, "done")


async def test_a_closed_channel_refuses_everything(serve: Serve) -> None:
    async with serve() as served, served.pair() as ends:
        for channel in ends:
            await channel.aclose()
            await channel.aclose()
            with pytest.raises(ClosedResourceError):
                await channel.receive()
            with pytest.raises(ClosedResourceError):
                channel.send_nowait(b"")
            with pytest.raises(ClosedResourceError):
                await channel.send(b"")


async def test_closing_ends_who_waits(serve: Serve) -> None:
    async def receive(channel: Channel) -> None:
        with pytest.raises(ClosedResourceError):
            await channel.receive()

    async def send(channel: Channel) -> None:
        with pytest.raises(ClosedResourceError):
            await channel.send(b"x")

    async with serve(close_timeout=0.1) as served, served.pair() as (_, server):
        await fill(server)
        with fail_after(5):
            async with create_task_group() as tasks:
                tasks.start_soon(receive, server)
                tasks.start_soon(send, server)
                await checkpoint()
                await server.aclose()
        async with served.pair() as (client, _), create_task_group() as tasks:
            tasks.start_soon(receive, client)
            await checkpoint()
            await client.aclose()


async def test_the_client_leaves_without_closing(serve: Serve) -> None:
    async with serve() as served:
        async with served.pair() as (client, server):
            await client.send(b"last words")
            assert await server.receive() == b"last words"
        with fail_after(5), pytest.raises(BrokenResourceError):
            await server.receive()


async def test_the_error_of_a_block_comes_out_as_it_is(serve: Serve) -> None:
    async with serve() as served:
        with pytest.raises(LookupError, match="mine"):
            async with served.pair():
                raise LookupError("mine")


async def test_connecting_and_leaving_can_be_cancelled(raw_router: Router) -> None:
    _, endpoint = raw_router
    with move_on_after(0.1) as scope:
        async with ZmqClient(endpoint=endpoint).open():
            pytest.fail("nobody said WELCOME")
    assert scope.cancelled_caught


async def test_in_flight_messages_of_a_closed_connection_are_ignored(
    serve: Serve, raw_peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(close_timeout=0.1) as served:
        with raw_peer(served.server.endpoint) as peer, caplog.at_level(logging.INFO, "ywire.zmq"):
            peer.send(HELLO)
            channel = await served.accept()
            await peer.receive()
            await channel.aclose(1000)
            peer.send(b"too late")
            assert decode(await peer.receive()) == Bye(1000)
            async with served.pair():
                pass
            assert not caplog.records


# A peer that does not read


async def test_a_full_channel_says_so_and_drains(serve: Serve) -> None:
    async with serve() as served, served.pair() as (client, server):
        count = await fill(server)
        assert count > 0
        async with served.pair() as (other_client, other_server):
            for number in range(100):
                assert other_server.send_nowait(b"%d" % number)
                assert await other_client.receive() == b"%d" % number
        async with create_task_group() as tasks:
            tasks.start_soon(server.send, b"last")
            for _ in range(count):
                assert len(await client.receive()) == 100_000
            assert await client.receive() == b"last"


async def test_a_cancelled_send_sends_nothing(serve: Serve) -> None:
    async with serve() as served, served.pair() as (client, server):
        count = await fill(server)
        with move_on_after(0.05) as scope:
            await server.send(b"never")
        assert scope.cancelled_caught
        for _ in range(count):
            await client.receive()
        await server.send(b"next")
        assert await client.receive() == b"next"


async def test_a_client_that_does_not_read_is_no_dead_client(serve: Serve) -> None:
    async with serve(heartbeat=0.2) as served, served.pair() as (client, server):
        count = await fill(server)
        with move_on_after(1.5):
            await server.receive()
        for _ in range(count):
            await client.receive()


async def test_leaving_returns_though_a_peer_does_not_read(serve: Serve) -> None:
    async with serve(close_timeout=0.2) as served:
        async with served.pair(close_timeout=0.2) as (client, server):
            await fill(server)
            start = monotonic()
            await server.aclose(1001)
            assert monotonic() - start < 4
            with fail_after(4):
                await client.aclose()
    assert monotonic() - start < 10


async def test_a_peer_that_ignores_the_window_is_refused(
    serve: Serve, raw_peer: Peer, failed: Event
) -> None:
    message = bytes(100_000)
    async with serve(max_message_size=len(message)) as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(HELLO)
            channel = await served.accept()
            for _ in range(100):
                peer.send(message)
            with fail_after(10):
                # Who receives before that makes room for the rest.
                await failed.wait()
            async with served.pair() as (client, server):
                await client.send(b"unharmed")
                assert await server.receive() == b"unharmed"
            with pytest.raises(ProtocolViolation, match="window") as caught:
                for _ in range(100):
                    await channel.receive()
            assert caught.value.code == 1008


@pytest.mark.parametrize("number", [0, 1, 2**64 - 1])
async def test_an_acknowledgement_of_what_was_not_sent_is_refused(
    serve: Serve, raw_peer: Peer, number: int
) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint) as peer:
            peer.send(HELLO)
            channel = await served.accept()
            peer.send(encode(Ack(number)))
            with pytest.raises(ProtocolViolation):
                await channel.receive()


# Peers that die


async def test_a_killed_client_is_noticed_at_once(serve: Serve, run: Run) -> None:
    async with serve() as served:
        source = f"""
async def main():
    async with ZmqClient(endpoint={served.server.endpoint!r}).open() as channel:
        print("connected", flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""
        async with run(source) as program:
            server = await served.accept()
            await program.read_line()
            program.kill()
            with fail_after(5), pytest.raises(BrokenResourceError):
                await server.receive()
            with pytest.raises(BrokenResourceError):
                server.send_nowait(b"anybody there?")


async def test_what_a_client_sent_before_it_died_is_received(serve: Serve, raw_peer: Peer) -> None:
    async with serve() as served:
        with raw_peer(served.server.endpoint, linger=PATIENCE_MS) as peer:
            peer.send(HELLO)
            server = await served.accept()
            await peer.receive()
            for number in range(1000):
                peer.send(b"%d" % number)
        for number in range(1000):
            assert await server.receive() == b"%d" % number
        with fail_after(5), pytest.raises(BrokenResourceError):
            await server.receive()


SERVER_PROGRAM = """
async def main():
    async with ZmqServer(heartbeat={heartbeat}) as server:
        print(server.endpoint, flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


async def test_a_killed_server_is_noticed_at_once(run: Run) -> None:
    async with run(SERVER_PROGRAM.format(heartbeat=5)) as program:
        async with ZmqClient(endpoint=await program.read_line()).open() as channel:
            await channel.receive()  # the server's step 1
            program.kill()
            with fail_after(5), pytest.raises(BrokenResourceError):
                await channel.receive()
            with pytest.raises(BrokenResourceError):
                channel.send_nowait(b"anybody there?")


async def test_a_frozen_server_is_noticed(run: Run) -> None:
    async with run(SERVER_PROGRAM.format(heartbeat=0.5)) as program:
        async with ZmqClient(endpoint=await program.read_line()).open() as channel:
            await channel.receive()
            program.freeze()
            with fail_after(10), pytest.raises(BrokenResourceError):
                await channel.receive()


async def test_a_frozen_client_is_noticed_and_told_when_it_thaws(serve: Serve, run: Run) -> None:
    async with serve(heartbeat=0.5) as served:
        source = f"""
async def main():
    async with ZmqClient(endpoint={served.server.endpoint!r}).open() as channel:
        print("connected", flush=True)
        async for message in channel:
            pass
        print(channel.close_code, flush=True)
anyio.run(main)
"""
        async with run(source) as program:
            server = await served.accept()
            await program.read_line()
            program.freeze()
            with fail_after(10), pytest.raises(BrokenResourceError):
                await server.receive()
            await server.aclose()
            program.thaw()
            assert await program.read_line() == "1002"


async def test_idle_peers_stay_connected(serve: Serve) -> None:
    async with serve(heartbeat=0.2) as served, served.pair() as (client, server):
        async with create_task_group() as tasks:

            async def receive(channel: Channel) -> None:
                assert await channel.receive() == b"still there"

            tasks.start_soon(receive, client)
            tasks.start_soon(receive, server)
            with move_on_after(1.5):
                await served.accept()
            for channel in (client, server):
                await channel.send(b"still there")


# Addresses


def endpoint_in(directory: Path) -> str:
    return f"ipc://{directory / 'socket'}"


async def test_inproc_and_ipc(serve: Serve, tmp_path: Path) -> None:
    for endpoint in ("inproc://somewhere", endpoint_in(tmp_path)):
        for _ in range(2):  # the endpoint is free again at once
            async with serve(endpoint=endpoint) as served, served.pair() as (client, server):
                assert (served.server.endpoint, served.server.port) == (endpoint, 0)
                await client.send(b"there")
                assert await server.receive() == b"there"
                await server.aclose(1001)
                with pytest.raises(EndOfStream):
                    await client.receive()
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0", "*"])
async def test_hosts(serve: Serve, host: str) -> None:
    async with serve(host=host) as served:
        assert served.server.port > 0
        assert served.server.endpoint.endswith(f":{served.server.port}")
        reachable = "localhost" if host in ("0.0.0.0", "*") else host
        client = ZmqClient(host=reachable, port=served.server.port)
        async with client.open() as channel:
            await channel.send(b"there")
            assert await (await served.accept()).receive() == b"there"


async def test_a_port_is_free_again_at_once(serve: Serve) -> None:
    async with serve() as first:
        port = first.server.port
    for _ in range(5):
        async with serve(port=port) as served, served.pair():
            pass


async def test_a_port_in_use_is_named(serve: Serve) -> None:
    async with serve() as served:
        with pytest.raises(OSError, match=rf"tcp://127\.0\.0\.1:{served.server.port}") as caught:
            async with serve(port=served.server.port):
                pass
        assert caught.value.errno == errno.EADDRINUSE


async def test_a_path_in_use_is_not_stolen(serve: Serve, tmp_path: Path) -> None:
    async with serve(endpoint=endpoint_in(tmp_path)) as served:
        with pytest.raises(OSError, match=str(tmp_path)) as caught:
            async with serve(endpoint=served.server.endpoint):
                pass
        assert caught.value.errno == errno.EADDRINUSE
        async with served.pair() as (client, server):
            await client.send(b"unharmed")
            assert await server.receive() == b"unharmed"


async def test_a_path_that_is_no_socket_is_left_alone(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "socket").write_text("precious")
    with pytest.raises(FileExistsError, match=str(tmp_path)):
        async with serve(endpoint=endpoint_in(tmp_path)):
            pass
    assert (tmp_path / "socket").read_text() == "precious"


async def test_the_path_of_a_dead_server_is_used_again(
    serve: Serve, run: Run, tmp_path: Path
) -> None:
    endpoint = endpoint_in(tmp_path)
    source = f"""
async def main():
    async with ZmqServer(endpoint={endpoint!r}):
        print("listening", flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""
    async with run(source) as program:
        await program.read_line()
        program.kill()
        await program.process.wait()
    async with serve(endpoint=endpoint) as served, served.pair():
        pass


@pytest.mark.parametrize(
    "endpoint",
    [
        "udp://127.0.0.1:5555",
        "127.0.0.1:5555",
        "tcp://127.0.0.1",
        "tcp://:5555",
        "tcp://127.0.0.1:65536",
        "tcp://127.0.0.1:http",
        "ipc://",
        "ipc://*",
        "ipc:///tmp/" + "x" * 103,
        "inproc://",
        "ipc:///tmp/\0",
    ],
)
async def test_what_is_no_endpoint_is_named(endpoint: str) -> None:
    for side in (ZmqServer, ZmqClient):
        with pytest.raises(ValueError, match=r"endpoint|path|port|begins") as caught:
            side(endpoint=endpoint)
        assert repr(endpoint) in str(caught.value)


async def test_a_client_must_know_where_to_go() -> None:
    with pytest.raises(ValueError, match="port"):
        ZmqClient()


async def test_an_unknown_host_is_named(serve: Serve) -> None:
    for attempt in (serve(host="nohost.invalid"), ZmqClient(host="nohost.invalid", port=1).open()):
        with pytest.raises(OSError, match=r"nohost\.invalid"):
            async with attempt:
                pass


async def test_an_address_of_another_machine_is_named(serve: Serve) -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1") as caught:
        async with serve(host="192.0.2.1"):
            pass
    assert caught.value.errno == errno.EADDRNOTAVAIL


async def test_nobody_there(tmp_path: Path) -> None:
    for endpoint in ("tcp://127.0.0.1:1", "tcp://localhost:1", endpoint_in(tmp_path)):
        with pytest.raises(ConnectionRefusedError, match=r":1|socket"):
            async with ZmqClient(endpoint=endpoint).open():
                pass


async def test_the_address_names_the_endpoint() -> None:
    assert ZmqClient(port=5555).address == "zmq tcp://127.0.0.1:5555"
    assert ZmqClient(host="::1", port=5555).address == "zmq tcp://[::1]:5555"


# What is left


def open_files() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system lists no open files")
async def test_nothing_is_left_open(serve: Serve) -> None:
    counts = []
    for _ in range(5):
        async with serve() as served, served.pair() as (client, server), served.pair():
            await client.send(bytes(100_000))
            await server.receive()
        counts.append(open_files())
    assert counts[1:] == counts[1:2] * 4
