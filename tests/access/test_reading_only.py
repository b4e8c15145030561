"""A client that may only read: it gets everything and is seen, but changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from anyio import fail_after

from tests.access.guests import PATIENCE, Guests, introduced, receive, refusal, update_of
from tests.life.guest import keys_of, write
from tests.life.wires import ROOM, Wire
from ycore import Access, ClientWire, ReadOnlyError, ServerWire, UnsentEditsError
from ycore.protocol import Kind, encode_echo, encode_step2, encode_update
from ycore.replica import EMPTY_STATE
from ycore.testing import until


def library(wire: Wire) -> ServerWire:
    """Make a server for writers and readers."""
    guests = Guests(ann=Access.READ_WRITE, bob=Access.READ_WRITE, reader=Access.READ)
    return wire.server(authorize=guests)


async def test_a_reader_gets_what_was_written_before_and_after_it_came(wire: Wire) -> None:
    async with library(wire) as server, wire.client(server, token="ann") as ann:
        write(ann.doc, "before")
        await ann.flush()
        async with wire.client(server, token="reader") as reader:
            assert keys_of(reader.doc) == {"before"}
            write(ann.doc, "after")
            await until(reader.doc, lambda: keys_of(reader.doc) == {"before", "after"})
            await reader.flush()


async def test_a_reader_is_seen_and_sees(wire: Wire) -> None:
    async with (
        library(wire) as server,
        wire.client(server, token="ann") as ann,
        wire.client(server, token="reader") as reader,
    ):
        ann.awareness.set_local_state({"name": "ann"})
        reader.awareness.set_local_state({"name": "reader"})
        await until_seen(ann, "reader")
        await until_seen(reader, "ann")


async def until_seen(client: ClientWire, name: str) -> None:
    """Wait until a client sees somebody."""
    seen = client.awareness
    await until(seen, lambda: {"name": name} in seen.states.values())


async def test_what_a_reader_edits_reaches_nobody_and_it_is_told(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        library(wire) as server,
        wire.client(server, token="ann") as ann,
        wire.client(server, token="bob") as bob,
    ):
        with pytest.raises(UnsentEditsError) as caught:
            async with wire.client(server, token="reader") as reader:
                write(reader.doc, "of the reader")
                with fail_after(PATIENCE), pytest.raises(ReadOnlyError):
                    await reader.flush()
        assert isinstance(caught.value.__cause__, ReadOnlyError)
        write(ann.doc, "of a writer")
        # What the server had told before would be here, too.
        await until(bob.doc, lambda: "of a writer" in keys_of(bob.doc))
        room = await server.rooms.get(ROOM)
        for doc in (room.doc, ann.doc, bob.doc):
            assert keys_of(doc) == {"of a writer"}
    assert caplog.text.count("does not accept changes") == 1


@pytest.mark.parametrize("encode", [encode_update, encode_step2])
async def test_permission_is_denied_on_the_wire(
    wire: Wire, encode: Callable[[bytes], bytes]
) -> None:
    async with library(wire) as server, introduced(wire, server, token="reader") as channel:
        await channel.send(encode(update_of("of the reader")))
        denial = await receive(channel, Kind.DENIED)
        reason = denial[3:]
        assert denial[:3] == bytes([2, 0, len(reason)])
        assert reason.decode()
        await channel.send(encode_echo(b""))
        await receive(channel, Kind.ECHO)
        assert (await server.rooms.get(ROOM)).doc.get_state() == EMPTY_STATE


async def test_a_reader_has_to_be_let_in_all_the_same(wire: Wire) -> None:
    async with library(wire) as server, wire.client(server, token="reader"):
        assert "4403" in str(await refusal(wire.client(server, token="redaer")))
