"""Access that changes while a client is connected."""

from __future__ import annotations

import pytest
from anyio import fail_after, sleep_forever

from tests.access.guests import (
    PATIENCE,
    Guests,
    refusal,
    until_clients,
)
from tests.life.guest import keys_of, write
from tests.life.wires import ROOM, Wire
from ycore import Access, AccessDeniedError, ConnectionRejectedError, ReadOnlyError
from ycore.testing import until


async def test_a_writer_becomes_a_reader_and_a_writer_again(wire: Wire) -> None:
    guests = Guests(ann=Access.READ_WRITE, bob=Access.READ_WRITE)
    async with (
        wire.server(authorize=guests) as server,
        wire.client(server, token="ann") as ann,
        wire.client(server, token="bob") as bob,
    ):
        in_sync = ann.synchronized
        write(ann.doc, "as a writer")
        await ann.flush()

        guests.answers["ann"] = Access.READ
        await server.reauthorize()
        write(ann.doc, "as a reader")
        with fail_after(PATIENCE), pytest.raises(ReadOnlyError):
            await ann.flush()
        write(bob.doc, "of bob")
        await until(ann.doc, lambda: "of bob" in keys_of(ann.doc))
        room = await server.rooms.get(ROOM)
        for doc in (room.doc, bob.doc):
            assert keys_of(doc) == {"as a writer", "of bob"}

        guests.answers["ann"] = Access.READ_WRITE
        await server.reauthorize()
        await until(bob.doc, lambda: "as a reader" in keys_of(bob.doc))
        assert ann.synchronized is in_sync
        assert server.stats().drops == {}


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        (Access.NONE, 4403, "access was withdrawn"),
        (AccessDeniedError("the session is over", code=4401), 4401, "the session is over"),
    ],
)
async def test_who_may_do_nothing_any_more_is_put_out_for_good(
    wire: Wire, answer: Access | Exception, code: int, reason: str
) -> None:
    guests = Guests(ann=Access.READ_WRITE, bob=Access.READ_WRITE)
    async with wire.server(authorize=guests) as server, wire.client(server, token="bob") as bob:
        with fail_after(PATIENCE), pytest.raises(ConnectionRejectedError) as caught:
            async with wire.client(server, token="ann") as ann:
                write(ann.doc, "before")
                await ann.flush()
                guests.answers["ann"] = answer
                await server.reauthorize()
                await sleep_forever()
        assert (caught.value.code, caught.value.reason) == (code, reason)
        # When it came, and by `reauthorize`; it has not tried to come back.
        assert guests.tokens.count("ann") == 2
        await until_clients(server, 1)
        assert server.stats().drops == {"access withdrawn": 1}
        again = await refusal(wire.client(server, token="ann"))
        assert isinstance(again, ConnectionRejectedError)
        assert again.code == code
        write(bob.doc, "goes on")
        await bob.flush()
        assert keys_of(bob.doc) == {"before", "goes on"}
