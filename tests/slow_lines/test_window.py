"""Large messages take their turn in the window, piece by piece, and nothing gets between."""

from __future__ import annotations

import pytest
from anyio import (
    BrokenResourceError,
    EndOfStream,
    create_task_group,
    fail_after,
    sleep,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint

from tests.slow_lines.ends import End, connected_ends
from ycore.errors import MessageTooLargeError, ProtocolError
from ywire_zmq.frames import (
    MESSAGE_COST,
    PIECE_SIZE,
    WINDOW,
    Bye,
    Piece,
    Ping,
    Pong,
    decode,
    encode,
)

LARGE = bytes(range(256)) * (4 * WINDOW // 256) + b"the end"
"""More than the window."""

PIECE_COST = PIECE_SIZE + MESSAGE_COST


def fill(end: End, message: bytes = LARGE) -> int:
    """Send until the connection is full, and carry what is allowed; return how many messages."""
    count = 0
    while end.send_nowait(message):
        end.carry()
        count += 1
    return count


@pytest.mark.parametrize("message", [b"x" * PIECE_SIZE, b"small"])
async def test_what_is_not_large_travels_unchanged(message: bytes) -> None:
    sender, _ = connected_ends()
    assert sender.send_nowait(message)
    [frame] = sender.under_way
    assert frame is message


@pytest.mark.parametrize("message", [LARGE, b"\xf5" * (PIECE_SIZE + 1)])
async def test_a_large_message_arrives(message: bytes) -> None:
    sender, receiver = connected_ends()
    assert sender.send_nowait(message)
    sender.carry()
    assert await receiver.receive() == message


async def test_no_more_is_handed_over_than_the_window_allows() -> None:
    sender, receiver = connected_ends()
    assert sender.send_nowait(LARGE)
    while sender.under_way:
        assert sum(map(len, sender.under_way)) < WINDOW + PIECE_COST
        receiver.deliver(sender.under_way.popleft())
        # What is read is acknowledged.
        while receiver.under_way:
            sender.deliver(receiver.under_way.popleft())
    assert await receiver.receive() == LARGE


async def test_nothing_overtakes_a_large_message() -> None:
    sender, receiver = connected_ends()
    assert sender.send_nowait(LARGE)
    assert not sender.send_nowait(b"small")
    async with create_task_group() as tasks:
        tasks.start_soon(sender.send, b"small")
        await checkpoint()
        sender.carry()
    sender.carry()
    assert [await receiver.receive() for _ in range(2)] == [LARGE, b"small"]


async def test_nothing_overtakes_a_large_message_that_the_socket_does_not_take() -> None:
    sender, receiver = connected_ends()
    sender.is_full = True
    assert sender.send_nowait(LARGE)
    sender.is_full = False
    assert not sender.send_nowait(b"small")
    # It is tried again with every heartbeat at the latest.
    sender.beat()
    sender.carry()
    assert await receiver.receive() == LARGE


@pytest.mark.parametrize("size", [PIECE_SIZE + 1, WINDOW, len(LARGE)])
async def test_who_does_not_read_is_sent_one_large_message_and_a_window(size: int) -> None:
    sender, receiver = connected_ends()
    message = bytes(size)
    count = fill(sender, message)
    # One that is not read yet, the window, and what is on its way when that is full.
    assert (count - 1) * size <= size + WINDOW + size
    for _ in range(count):
        assert await receiver.receive() == message
        sender.carry()
    assert fill(sender, message) == count


async def test_who_is_not_let_in_may_send_a_window_and_more_later() -> None:
    sender, receiver = connected_ends(are_awaited=False)
    assert sender.send_nowait(LARGE)
    sender.carry()
    assert WINDOW <= receiver.carried < WINDOW + PIECE_COST
    async with create_task_group() as tasks:
        tasks.start_soon(receiver.receive)
        await wait_all_tasks_blocked()
        sender.carry()
    assert receiver.carried > len(LARGE)


async def test_a_large_message_does_not_wait_for_small_ones_to_be_read() -> None:
    sender, receiver = connected_ends()
    assert sender.send_nowait(b"small")
    assert sender.send_nowait(LARGE)
    sender.carry()
    assert sender.send_nowait(b"next")
    sender.carry()
    assert [await receiver.receive() for _ in range(3)] == [b"small", LARGE, b"next"]


async def test_between_pieces_pings_are_answered() -> None:
    _, receiver = connected_ends()
    receiver.deliver(encode(Piece(1, b"a")))
    receiver.deliver(encode(Ping()))
    receiver.deliver(encode(Piece(0, b"b")))
    assert decode(receiver.under_way.popleft()) == Pong()
    assert await receiver.receive() == b"ab"


@pytest.mark.parametrize(
    "frame",
    [b"small", b"", b"\xf5\xf5", encode(Piece(1, b"b")), encode(Piece(0, b"")), b"\xf7\0"],
    ids=["message", "empty message", "DATA", "too long", "nothing", "malformed"],
)
async def test_what_does_not_belong_between_pieces_is_an_error(frame: bytes) -> None:
    _, receiver = connected_ends()
    receiver.deliver(b"before")
    receiver.deliver(encode(Piece(1, b"a")))
    receiver.deliver(frame)
    receiver.deliver(encode(Piece(0, b"b")))
    assert await receiver.receive() == b"before"
    with pytest.raises(ProtocolError) as caught:
        await receiver.receive()
    assert caught.value.code == 1002


async def test_a_message_over_the_limit_is_refused_with_its_first_piece() -> None:
    _, receiver = connected_ends(max_message_size=1000)
    receiver.deliver(encode(Piece(1000, b"a")))
    with pytest.raises(MessageTooLargeError, match=r"1001 .* 1000"):
        await receiver.receive()


async def test_who_ignores_the_window_is_refused() -> None:
    _, receiver = connected_ends()
    for _ in range(2 * WINDOW // PIECE_SIZE):
        receiver.deliver(encode(Piece(0, bytes(PIECE_SIZE))))
    with pytest.raises(ProtocolError, match="window") as caught:
        while True:
            await receiver.receive()
    assert caught.value.code == 1008


async def test_the_end_comes_after_a_large_message() -> None:
    sender, receiver = connected_ends()
    assert sender.send_nowait(LARGE)
    async with create_task_group() as tasks:
        tasks.start_soon(sender.aclose, 4403, "go away")
        await checkpoint()
        sender.carry()
    sender.carry()
    assert await receiver.receive() == LARGE
    with pytest.raises(EndOfStream):
        await receiver.receive()
    assert (receiver.close_code, receiver.close_reason) == (4403, "go away")


async def test_who_does_not_take_a_large_message_is_told_of_the_end() -> None:
    sender, receiver = connected_ends(close_timeout=0.05)
    fill(sender)
    with fail_after(5):
        await sender.aclose(1008, "too slow")
    sender.carry()
    with pytest.raises(EndOfStream):
        while True:
            await receiver.receive()
    assert receiver.close_code == 1008


async def test_who_is_told_of_the_end_is_told_nothing_after_it() -> None:
    sender, receiver = connected_ends(close_timeout=0.05)
    fill(sender)
    await sender.aclose(1008, "too slow")
    await receiver.receive()
    while receiver.under_way:
        sender.deliver(receiver.under_way.popleft())
    sender.beat()
    assert decode(sender.under_way[-1]) == Bye(1008, "too slow")


async def test_a_close_that_is_cancelled_tells_of_the_end_all_the_same() -> None:
    sender, receiver = connected_ends()
    fill(sender)
    async with create_task_group() as tasks:
        tasks.start_soon(sender.aclose, 4403, "go away")
        await wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    sender.carry()
    with pytest.raises(EndOfStream):
        while True:
            await receiver.receive()
    assert receiver.close_code == 4403


async def test_who_closes_goes_on_showing_that_it_is_there() -> None:
    sender, _ = connected_ends()
    fill(sender)
    async with create_task_group() as tasks:
        tasks.start_soon(sender.aclose)
        await wait_all_tasks_blocked()
        sender.beat()
        assert decode(sender.under_way.pop()) == Ping()
        tasks.cancel_scope.cancel()


async def test_two_that_close_with_large_messages_under_way_do_not_wait_for_each_other() -> None:
    ends = connected_ends()
    for end in ends:
        assert end.send_nowait(LARGE)
    with fail_after(5):
        async with create_task_group() as tasks:
            for end in ends:
                tasks.start_soon(end.aclose)
            await wait_all_tasks_blocked()
            ends[0].carry()
            # What has departed is followed by BYE.
            await wait_all_tasks_blocked()
            ends[0].carry()


@pytest.mark.parametrize("message", [b"small", LARGE], ids=len)
async def test_a_message_to_nobody_is_an_error(message: bytes) -> None:
    sender, _ = connected_ends()
    sender.is_broken = True
    with pytest.raises(BrokenResourceError):
        sender.send_nowait(message)


async def test_who_takes_nothing_of_a_large_message_is_too_slow_whatever_it_says() -> None:
    sender, receiver = connected_ends(send_timeout=0.01)
    fill(sender)
    await sleep(0.02)
    assert receiver.signal(encode(Ping()))
    sender.carry()
    sender.beat()
    with fail_after(5), pytest.raises(TimeoutError):
        await sender.receive()


async def test_who_sends_a_part_of_a_large_message_only_is_too_slow() -> None:
    _, receiver = connected_ends(send_timeout=0.01)
    receiver.deliver(encode(Piece(1, bytes(PIECE_SIZE))))
    await sleep(0.02)
    receiver.deliver(encode(Ping()))
    receiver.beat()
    with fail_after(5), pytest.raises(TimeoutError):
        await receiver.receive()


@pytest.mark.parametrize("waiting", [0, 1])
async def test_who_has_to_wait_with_a_large_message_is_not_too_slow(waiting: int) -> None:
    sender, receiver = connected_ends(are_awaited=waiting > 0, send_timeout=0.01)
    for _ in range(waiting + 1):
        assert sender.send_nowait(LARGE)
        sender.carry()
    await sleep(0.02)
    receiver.beat()
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(receiver.receive)
            await wait_all_tasks_blocked()
            sender.carry()
        for _ in range(waiting):
            assert await receiver.receive() == LARGE


async def test_who_does_not_want_a_large_message_is_not_waited_for() -> None:
    sender, _ = connected_ends()
    fill(sender)
    with fail_after(5):
        async with create_task_group() as tasks:
            tasks.start_soon(sender.aclose)
            await checkpoint()
            sender.deliver(encode(Bye(1000)))
    assert decode(sender.under_way[-1]) == Bye(1000)
