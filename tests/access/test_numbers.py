"""What a server tells an operator in numbers."""

from __future__ import annotations

import pytest
from anyio import BrokenResourceError, create_task_group, fail_after

from tests.access.guests import (
    PATIENCE,
    Guests,
    close_code_of,
    eventually,
    ignore_the_limit_of_the_server,
    introduced,
    receive,
    refusal,
    until_clients,
)
from tests.life.guest import write
from tests.life.wires import ROOM, WIRES, Wire, address_of
from tests.network.proxy import open_proxy
from ycore import Access, Channel, Room
from ycore.protocol import (
    AwarenessEntry,
    Kind,
    encode_awareness,
    encode_echo,
    encode_entries,
    encode_step1,
    encode_update,
)
from ycore.replica import EMPTY_STATE

KIB = 1024

NETWORKS = [wire for wire in WIRES if wire.name != "memory"]


async def test_messages_and_bytes_are_counted_exactly_and_for_ever(wire: Wire) -> None:
    said = [encode_step1(EMPTY_STATE), encode_echo(b"x" * 100)]
    heard = []
    async with wire.server() as server:
        async with wire.client(server).open() as channel:
            for message in said:
                await channel.send(message)
            with fail_after(PATIENCE):
                while said[-1] not in heard:
                    heard.append(await channel.receive())
            while_there = server.stats()
        await until_clients(server, 0)
        for stats in (while_there, server.stats()):
            assert stats.messages_received == len(said)
            assert stats.bytes_received == sum(map(len, said))
            assert stats.messages_sent == len(heard)
            assert stats.bytes_sent == sum(map(len, heard))


async def test_who_is_behind_is_counted(wire: Wire) -> None:
    async with (
        wire.server() as server,
        wire.client(server) as writer,
        introduced(wire, server) as sleeper,
    ):
        await receive(sleeper, Kind.STEP2)
        with fail_after(PATIENCE):
            while server.stats().clients_behind == 0:
                write(writer.doc, "much", "x" * 64 * KIB)
                await writer.flush()
        assert server.stats().clients_behind == 1
        async with create_task_group() as tasks:
            tasks.start_soon(read_on, sleeper)
            await eventually(lambda: server.stats().clients_behind == 0)
            tasks.cancel_scope.cancel()


async def read_on(channel: Channel) -> None:
    async for _ in channel:
        pass


def make_room(id: str) -> Room:  # noqa: A002
    if id == ROOM:
        return Room(id)
    raise ZeroDivisionError("there is no such room")


async def test_refusals_are_counted_by_the_reason(wire: Wire) -> None:
    guests = Guests(member=Access.READ_WRITE, unlucky=ZeroDivisionError())
    async with wire.server(make_room, authorize=guests) as server:
        await refusal(wire.client(server))
        await refusal(wire.client(server, token="burglar"))
        await refusal(wire.client(server, token="burglar"))
        await refusal(wire.client(server, token="unlucky"))
        await refusal(wire.client(server, "no room", token="member"))
        async with wire.client(server, token="member"):
            stats = server.stats()
        assert stats.refusals == {
            "not authenticated": 1,
            "forbidden": 2,
            "authorize failed": 1,
            "room could not be loaded": 1,
        }
        assert (stats.connections, stats.drops) == (1, {})


@pytest.mark.parametrize(
    ("frame", "code", "reason"),
    [
        (b"\x00\x09", 1002, "protocol error"),
        (encode_update(b"no update"), 1007, "protocol error"),
        (encode_echo(bytes(64 * KIB)), 1009, "message too large"),
        (
            encode_awareness(encode_entries([AwarenessEntry(1, 1, f'"{"x" * 8 * KIB}"')])),
            1009,
            "max_awareness_size",
        ),
    ],
    ids=["no message", "no update", "too large", "too large a state"],
)
async def test_who_breaks_the_rules_is_counted_by_the_reason(
    wire: Wire, frame: bytes, code: int, reason: str
) -> None:
    async with (
        wire.server(max_message_size=16 * KIB, max_awareness_size=4 * KIB) as server,
        wire.client(server) as other,
    ):
        async with introduced(wire, server) as channel:
            ignore_the_limit_of_the_server(channel)
            await channel.send(frame)
            assert await close_code_of(channel) == code
        await until_clients(server, 1)
        assert server.stats().drops == {reason: 1}
        write(other.doc, "goes on")
        await other.flush()


@pytest.mark.parametrize("wire", NETWORKS, ids=str)
async def test_a_connection_that_breaks_is_counted(wire: Wire) -> None:
    async with (
        wire.server() as server,
        open_proxy(address_of(server)["port"]) as network,
        introduced(wire, network) as channel,
    ):
        await receive(channel, Kind.STEP2)
        network.cut()
        with fail_after(PATIENCE), pytest.raises(BrokenResourceError):
            await read_on(channel)
        await until_clients(server, 0)
        assert server.stats().drops == {"connection lost": 1}


async def test_who_leaves_properly_is_counted_nowhere(wire: Wire) -> None:
    async with wire.server() as server:
        async with wire.client(server) as client:
            write(client.doc, "edited")
        await until_clients(server, 0)
        stats = server.stats()
        assert (stats.connections, stats.drops, stats.refusals) == (1, {}, {})
