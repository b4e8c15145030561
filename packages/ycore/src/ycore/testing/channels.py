"""What a channel has to do, whatever carries it: tested without the Yjs protocol on top."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from anyio import (
    BrokenResourceError,
    CancelScope,
    ClosedResourceError,
    EndOfStream,
    Event,
    current_time,
    sleep_forever,
    wait_all_tasks_blocked,
)
from anyio.lowlevel import checkpoint

from ycore.channel import Channel
from ycore.errors import MessageTooLargeError
from ycore.tasks import background_tasks

from .harness import KIB, Flood, RawServer, WireSuite, number_of, numbered

__all__ = ["ChannelConformance"]

SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1024 * KIB)
"""Where the length fields of common framings change their form."""

ROOM_IDS = {
    "empty": "",
    "plain": "room",
    "inner-slash": "a/b c?é",
    "outer-slashes": "/room/",
    "percent": "ü/%2F%25",
    "dots": "a/../b/./c",
    "double-slash": "a//b",
    "query": "a?b=c&d+e#f;g",
    "emoji": "👋🏽 世界",
    "long": "long/" * 100,
}

CLOSES = {1000: "", 1001: "the server is going away", 4403: "not yours: ✋"}
"""Close codes with reasons."""

SLACK = 3.0
"""So much longer than its bound something may take on a busy machine, in seconds."""

LIMIT = 1000
"""A limit for messages."""

from_either_side = pytest.mark.parametrize("side", ["client", "server"])
with_close_codes = pytest.mark.parametrize(
    ("code", "reason"), CLOSES.items(), ids=[str(code) for code in CLOSES]
)


class ChannelConformance(WireSuite):
    """Tests of a wire's channels."""

    # Messages

    async def test_messages_arrive_in_order(self) -> None:
        """Some thousand messages arrive in order, both ways at once."""
        messages = [numbered(n, 8 + n % 300) for n in range(3000)]
        async with self.connected() as (client, server), background_tasks() as tasks:
            tasks.start_soon(_send_all, client, messages)
            tasks.start_soon(_send_all, server, messages)
            await _expect(server, messages)
            await _expect(client, messages)

    @from_either_side
    async def test_messages_of_any_size_arrive_whole(self, side: str) -> None:
        """Neither split nor joined nor cut, whatever the size."""
        random = Random(0)
        messages = [random.randbytes(size) for size in SIZES for _ in range(2)]
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            tasks.start_soon(_send_all, near, messages)
            await _expect(far, messages)

    @from_either_side
    async def test_messages_of_any_bytes_arrive(self, side: str) -> None:
        """No byte means anything to the wire, not even the first one."""
        messages = [bytes([first]) + tail for first in range(256) for tail in (b"", b"\x00\xff\n")]
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            tasks.start_soon(_send_all, near, messages)
            await _expect(far, messages)

    @from_either_side
    async def test_send_nowait_keeps_the_order(self, side: str) -> None:
        """What `send_nowait` takes and what `send` takes instead arrive once and in order."""
        messages = [numbered(n) for n in range(2000)]
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            tasks.start_soon(_send_all_nowait, near, messages)
            await _expect(far, messages)

    async def test_one_receives_while_others_send(self) -> None:
        """A channel works in both directions at once."""
        async with self.connected() as (client, server), background_tasks() as tasks:
            tasks.start_soon(_send_back, server)
            for sender in range(3):
                tasks.start_soon(_send_all, client, [numbered(n) for n in _numbers(sender, 200)])
            received = [number_of(await client.receive()) for _ in range(3 * 200)]
            _check_interleaved(received, senders=3, count=200)

    @from_either_side
    async def test_concurrent_senders_do_not_mix(self, side: str) -> None:
        """The messages of several tasks arrive whole, and in order for each task."""
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            for sender in range(5):
                messages = [numbered(n, 8 + n * 997 % 70000) for n in _numbers(sender, 60)]
                tasks.start_soon(_send_all, near, messages)
            received = [number_of(await far.receive()) for _ in range(5 * 60)]
            _check_interleaved(received, senders=5, count=60)

    @pytest.mark.parametrize("id", ROOM_IDS.values(), ids=ROOM_IDS.keys())
    async def test_the_room_id_arrives(self, id: str) -> None:  # noqa: A002
        """The server's channel has the room id that the client asked for."""
        async with self.connected(id) as (client, server):
            assert server.id == id
            assert client.id == id

    # The end

    @from_either_side
    @with_close_codes
    async def test_what_was_sent_before_the_close_arrives(
        self, side: str, code: int, reason: str
    ) -> None:
        """The peer gets all messages, then the end with its code and its reason."""
        messages = [numbered(n) for n in range(20)]
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            tasks.start_soon(_send_all_and_close, near, messages, code, reason)
            await _expect(far, messages)
            await _expect_end(far)
            assert (far.close_code, far.close_reason) == (code, reason)

    @from_either_side
    async def test_much_that_was_sent_before_the_close_arrives(self, side: str) -> None:
        """A close does not overtake what is still under way."""
        messages = [numbered(n, 64 * KIB) for n in range(32)]
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            tasks.start_soon(_send_all_and_close, near, messages)
            await _expect(far, messages)
            await _expect_end(far)
            assert far.close_code == 1000

    @from_either_side
    async def test_iteration_ends_when_the_peer_closes(self, side: str) -> None:
        """`async for` gives the messages and ends."""
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            tasks.start_soon(_send_all_and_close, near, [numbered(n) for n in range(5)])
            assert [number_of(message) async for message in far] == [0, 1, 2, 3, 4]

    @from_either_side
    async def test_sending_to_a_peer_that_has_closed_fails(self, side: str) -> None:
        """After the end, `send` raises `BrokenResourceError`."""
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            tasks.start_soon(near.aclose)
            await _expect_end(far)
            with pytest.raises(BrokenResourceError):
                await far.send(b"too late")
            await _expect_no_sending_nowait(far, BrokenResourceError)

    @from_either_side
    async def test_a_closed_channel_refuses_use(self, side: str) -> None:
        """After its own `aclose`, a channel raises `ClosedResourceError`."""
        async with self.connected(close_timeout=0.5) as pair:
            near, far = pair.seen_from(side)
            await far.send(b"unread")
            await near.aclose()
            with pytest.raises(ClosedResourceError):
                await near.send(b"too late")
            with pytest.raises(ClosedResourceError):
                await near.receive()
            await _expect_no_sending_nowait(near, ClosedResourceError)

    @from_either_side
    async def test_closing_twice_is_fine(self, side: str) -> None:
        """The first close counts; both sides may close."""
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            closed = Event()
            tasks.start_soon(_close_twice, near, closed)
            await _expect_end(far)
            assert (far.close_code, far.close_reason) == (4403, "first")
            await far.aclose()
            await far.aclose()
            await closed.wait()

    async def test_both_sides_close_at_once(self) -> None:
        """Neither waits for the other longer than its bound."""
        async with self.connected() as (client, server), background_tasks() as tasks:
            started = current_time()
            closed = Event()
            tasks.start_soon(_close_and_set, server, closed)
            await client.aclose()
            await closed.wait()
            assert current_time() - started < client.limits.close_timeout + SLACK

    @from_either_side
    async def test_close_ends_a_waiting_receive(self, side: str) -> None:
        """A task in `receive` gets `ClosedResourceError` when its own side closes."""
        async with self.connected(close_timeout=0.5) as pair, background_tasks() as tasks:
            near, _ = pair.seen_from(side)
            attempt = _Receiving(near)
            tasks.start_soon(attempt.run)
            await wait_all_tasks_blocked()
            await near.aclose()
            await attempt.ended.wait()
            assert isinstance(attempt.failure, ClosedResourceError), repr(attempt.failure)

    @from_either_side
    async def test_close_ends_a_waiting_send(self, side: str) -> None:
        """A task in `send` gets `ClosedResourceError` when its own side closes."""
        async with self.connected(close_timeout=0.5) as pair, background_tasks() as tasks:
            near, _ = pair.seen_from(side)
            flood = Flood(near)
            tasks.start_soon(flood.run)
            await flood.until_stalled()
            await near.aclose()
            await flood.ended()
            assert isinstance(flood.failure, ClosedResourceError), repr(flood.failure)

    @from_either_side
    async def test_close_does_not_wait_for_a_peer_that_does_not_read(self, side: str) -> None:
        """Closing a full channel returns within `limits.close_timeout`, and the peer notices."""
        async with self.connected(close_timeout=0.5) as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            flood = Flood(near)
            tasks.start_soon(flood.run)
            await flood.until_stalled()
            started = current_time()
            await near.aclose()
            assert current_time() - started < near.limits.close_timeout + SLACK
            received = await _receive_to_the_end(far)
            assert received == list(range(len(received)))

    @from_either_side
    async def test_a_cancelled_close_leaves_nothing_open(self, side: str) -> None:
        """The channel is closed for both sides though `aclose` was cancelled."""
        async with self.connected() as pair:
            near, far = pair.seen_from(side)
            with CancelScope() as scope:
                scope.cancel()
                await near.aclose()
            with pytest.raises(ClosedResourceError):
                await near.send(b"too late")
            await _receive_to_the_end(far)

    async def test_a_client_that_vanishes_ends_the_channel(self) -> None:
        """The server notices a client that is cancelled in the middle of its work."""
        async with self.raw() as raw, background_tasks() as tasks:
            vanishing = CancelScope()
            tasks.start_soon(self._send_and_wait, raw, vanishing)
            server = await raw.accept()
            assert number_of(await server.receive()) == 0
            vanishing.cancel()
            assert await _receive_to_the_end(server) == []

    async def _send_and_wait(self, raw: RawServer, scope: CancelScope) -> None:
        with scope:
            async with self.open_raw(raw.server, "") as client:
                await client.send(numbered(0))
                await sleep_forever()

    # Cancellation

    @from_either_side
    async def test_a_cancelled_receive_loses_nothing(self, side: str) -> None:
        """`receive` may be cancelled before, while and after a message comes in."""
        sizes = [8, 8, 8, 200 * KIB, 8, 3000, 8, 1024 * KIB]
        messages = [numbered(n, sizes[n % len(sizes)]) for n in range(200)]
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            tasks.start_soon(_send_all, near, messages)
            received: list[int] = []
            attempt = 0
            while len(received) < len(messages):
                # Cancelled after ever more turns of the loop; now and then not at all.
                await _receive_for(far, attempt % 12, received)
                attempt += 1
            assert received == list(range(len(messages)))

    @from_either_side
    async def test_a_cancelled_receive_may_be_repeated(self, side: str) -> None:
        """A message that comes when a receive has just been cancelled waits for the next one."""
        async with self.connected() as pair:
            near, far = pair.seen_from(side)
            for number in range(30):
                received: list[int] = []
                async with background_tasks() as tasks:
                    scope, ended = CancelScope(), Event()
                    tasks.start_soon(_receive_one, far, scope, received, ended)
                    await _turns(5)
                    if number % 3 == 0:
                        scope.cancel()
                        await ended.wait()
                    await near.send(numbered(number))
                    await _turns(number % 10)
                    scope.cancel()
                    await ended.wait()
                if not received:
                    received.append(number_of(await far.receive()))
                assert received == [number]

    @from_either_side
    async def test_a_cancelled_send_sends_nothing_or_breaks_the_channel(self, side: str) -> None:
        """A cancelled message does not arrive, and the next ones do; or nothing does any more."""
        async with self.connected(close_timeout=0.5) as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            flood = Flood(near)
            tasks.start_soon(flood.run)
            await flood.until_stalled()
            await flood.cancel()
            final = _Sending(near, numbered(1_000_000))
            tasks.start_soon(final.run)
            received = await _receive_until(far, 1_000_000)
            if received[-1:] == [1_000_000]:
                assert received[:-1] == list(range(flood.sent))
            else:
                await final.ended.wait()
                assert isinstance(final.failure, BrokenResourceError | ClosedResourceError)
                assert received == list(range(len(received)))

    # Backpressure

    @from_either_side
    async def test_a_slow_reader_loses_nothing(self, side: str) -> None:
        """A transport fills up within bounds, and gives all of it once the peer reads."""
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            flood = Flood(near)
            tasks.start_soon(flood.run)
            await flood.until_stalled()
            stalled_at = flood.sent
            received = [number_of(await far.receive()) for _ in range(stalled_at + 50)]
            assert received == list(range(stalled_at + 50))

    @from_either_side
    async def test_send_nowait_tells_when_the_transport_is_full(self, side: str) -> None:
        """What `send_nowait` took arrives; what it refused does not."""
        async with self.connected() as pair, background_tasks() as tasks:
            near, far = pair.seen_from(side)
            taken = 0
            while near.send_nowait(numbered(taken, 64 * KIB)):
                taken += 1
                assert taken < 1024, "64 MiB were taken for a peer that does not read"
            tasks.start_soon(near.send, numbered(1_000_000))
            received = [number_of(await far.receive()) for _ in range(taken + 1)]
            assert received == [*range(taken), 1_000_000]

    @from_either_side
    async def test_a_full_channel_does_not_hold_up_others(self, side: str) -> None:
        """While one peer does not read, another connection works."""
        async with self.raw() as raw, raw.connect() as full, background_tasks() as tasks:
            flood = Flood(full.seen_from(side)[0])
            tasks.start_soon(flood.run)
            await flood.until_stalled()
            async with raw.connect() as pair:
                near, far = pair.seen_from(side)
                for number in range(20):
                    await near.send(numbered(number))
                    assert number_of(await far.receive()) == number
                    await far.send(numbered(number))
                    assert number_of(await near.receive()) == number

    # Limits

    @from_either_side
    async def test_a_message_over_the_limit_is_not_sent(self, side: str) -> None:
        """`send` refuses it and tells its size; the channel is as good as before."""
        async with self.connected(max_message_size=LIMIT) as pair:
            near, far = pair.seen_from(side)
            with pytest.raises(MessageTooLargeError) as caught:
                await near.send(bytes(LIMIT + 1))
            assert (caught.value.size, caught.value.limit) == (LIMIT + 1, LIMIT)
            await _expect_no_sending_nowait(near, MessageTooLargeError, bytes(LIMIT + 1))
            largest = numbered(1, LIMIT)
            await near.send(largest)
            await _expect(far, [largest])

    @from_either_side
    async def test_a_message_over_the_receivers_limit_is_refused(self, side: str) -> None:
        """The receiver's limit holds whatever the sender's is, and for that connection only."""
        small: dict[str, Any] = {"max_message_size": LIMIT}
        none: dict[str, Any] = {}
        server_options, client_options = (none, small) if side == "server" else (small, none)
        async with self.raw(**server_options) as raw, raw.connect() as other:
            async with raw.connect(**client_options) as pair:
                near, far = pair.seen_from(side)
                try:
                    await near.send(bytes(5 * LIMIT))
                except MessageTooLargeError:
                    # The ends of this wire have told each other their limits.
                    pass
                else:
                    with pytest.raises((MessageTooLargeError, BrokenResourceError)):
                        await far.receive()
            near, far = other.seen_from(side)
            await near.send(numbered(1))
            assert number_of(await far.receive()) == 1


class _Receiving:
    """One `receive` in a task of its own."""

    def __init__(self, channel: Channel) -> None:
        self.ended = Event()
        self.failure: Exception | None = None
        self._channel = channel

    async def run(self) -> None:
        try:
            await self._channel.receive()
        except Exception as exc:  # noqa: BLE001 - the test looks at it
            self.failure = exc
        finally:
            self.ended.set()


class _Sending:
    """One `send` in a task of its own."""

    def __init__(self, channel: Channel, message: bytes) -> None:
        self.ended = Event()
        self.failure: Exception | None = None
        self._channel = channel
        self._message = message

    async def run(self) -> None:
        try:
            await self._channel.send(self._message)
        except Exception as exc:  # noqa: BLE001 - the test looks at it
            self.failure = exc
        finally:
            self.ended.set()


def _numbers(sender: int, count: int) -> range:
    return range(sender * count, (sender + 1) * count)


def _check_interleaved(received: Sequence[int], *, senders: int, count: int) -> None:
    for sender in range(senders):
        numbers = _numbers(sender, count)
        assert [number for number in received if number in numbers] == list(numbers)
    assert len(received) == senders * count


async def _send_all(channel: Channel, messages: Sequence[bytes]) -> None:
    for message in messages:
        await channel.send(message)


async def _send_all_nowait(channel: Channel, messages: Sequence[bytes]) -> None:
    for message in messages:
        if not channel.send_nowait(message):
            await channel.send(message)


async def _send_all_and_close(
    channel: Channel, messages: Sequence[bytes], code: int = 1000, reason: str = ""
) -> None:
    await _send_all(channel, messages)
    await channel.aclose(code, reason)


async def _send_back(channel: Channel) -> None:
    async for message in channel:
        await channel.send(message)


async def _close_twice(channel: Channel, closed: Event) -> None:
    await channel.aclose(4403, "first")
    await channel.aclose(1000, "second")
    closed.set()


async def _close_and_set(channel: Channel, closed: Event) -> None:
    await channel.aclose()
    closed.set()


async def _expect(channel: Channel, messages: Sequence[bytes]) -> None:
    for number, expected in enumerate(messages):
        _check_same(await channel.receive(), expected, number)


def _check_same(received: object, expected: bytes, number: int) -> None:
    """Compare two messages without printing a mebibyte when they differ."""
    assert isinstance(received, bytes), f"a message is {type(received).__name__}, not bytes"
    assert len(received) == len(expected), (
        f"message {number} has {len(received)} bytes, {len(expected)} were sent"
    )
    if received != expected:
        at = next(i for i, (a, b) in enumerate(zip(received, expected, strict=True)) if a != b)
        raise AssertionError(
            f"message {number} of {len(expected)} bytes differs from what was sent at byte {at}: "
            f"{received[at : at + 8]!r} instead of {expected[at : at + 8]!r}"
        )


async def _expect_end(channel: Channel) -> None:
    for _ in range(2):
        with pytest.raises(EndOfStream):
            await channel.receive()


async def _expect_no_sending_nowait(
    channel: Channel, error: type[Exception], message: bytes = b"too late"
) -> None:
    try:
        taken = channel.send_nowait(message)
    except error:
        return
    assert not taken, f"send_nowait took a message instead of raising {error.__name__}"


async def _receive_to_the_end(channel: Channel) -> list[int]:
    """Receive until the channel ends, properly or not."""
    return await _receive_until(channel, -1)


async def _receive_until(channel: Channel, last: int) -> list[int]:
    """Receive until a message, or until the channel ends, properly or not."""
    received: list[int] = []
    try:
        async for message in channel:
            received.append(number_of(message))
            if received[-1] == last:
                break
    except BrokenResourceError:
        pass
    return received


async def _receive_for(channel: Channel, turns: int, received: list[int]) -> None:
    """Receive one message, cancelled after some turns of the event loop; 0 stands for never."""
    scope, ended = CancelScope(), Event()
    async with background_tasks() as tasks:
        tasks.start_soon(_receive_one, channel, scope, received, ended)
        if turns:
            await _turns(turns - 1)
            scope.cancel()
        await ended.wait()


async def _turns(count: int) -> None:
    """Let the event loop turn."""
    for _ in range(count):
        await checkpoint()


async def _receive_one(
    channel: Channel, scope: CancelScope, received: list[int], ended: Event
) -> None:
    with scope:
        received.append(number_of(await channel.receive()))
    ended.set()
