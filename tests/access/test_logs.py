"""Content never gets into a log, whether it was sent properly, in vain or malformed."""

from __future__ import annotations

import logging

import aiohttp
import pytest
import zmq
from anyio import fail_after

from tests.access.guests import (
    PATIENCE,
    Guests,
    close_code_of,
    eventually,
    ignore_the_limit_of_the_server,
    introduced,
    receive,
    until_clients,
    update_of,
)
from tests.access.records import everything_in
from tests.life.guest import keys_of, write
from tests.life.wires import WIRES, Wire
from ycore import Access, ClientWire, ReadOnlyError, ServerWire, Status, UnsentEditsError
from ycore.protocol import (
    AwarenessEntry,
    Kind,
    encode_awareness,
    encode_denied,
    encode_echo,
    encode_entries,
    encode_step1,
    encode_step2,
    encode_update,
)
from ycore.testing import until
from ywire_websocket import WebsocketServer
from ywire_zmq import ZmqServer
from ywire_zmq.channel import ZmqChannel

KIB = 1024

SECRET = "nobodys-business"
PAYLOAD = SECRET.encode()
UPDATE = update_of(SECRET)


def state(json: str) -> bytes:
    """Return an awareness message with one state."""
    return encode_awareness(encode_entries([AwarenessEntry(1, 1, json)]))


MALFORMED = {
    "no update": encode_update(PAYLOAD),
    "no update, as an answer": encode_step2(PAYLOAD),
    "no state vector": encode_step1(PAYLOAD),
    "an update that ends too early": encode_update(UPDATE[:-1]),
    "an update with more behind it": encode_update(UPDATE + PAYLOAD),
    "a message that ends too early": encode_update(UPDATE)[:-1],
    "a message with more behind it": encode_update(UPDATE) + PAYLOAD,
    "an unknown sync message": b"\x00\x09" + PAYLOAD,
    "an unknown permission": b"\x02\x09" + PAYLOAD,
    "a state that is no JSON": state(f'{{"name": "{SECRET}"'),
    "a state that is not for JavaScript": state(f'["{SECRET}", NaN]'),
    "a state that is nested too deeply": state("[" * 200 + f'"{SECRET}"' + "]" * 200),
    "a state that is no text": state(SECRET).replace(PAYLOAD, b"\xff" + PAYLOAD[1:]),
    "a state behind which is more": encode_awareness(b"\x00" + PAYLOAD),
}

TOO_LARGE = {
    "a state": state(f'"{SECRET * KIB}"'),
    "an update": encode_update(update_of(SECRET * 4 * KIB)),
}

STRANGE = {
    "an unknown message": PAYLOAD,
    "a query with a body": b"\x03" + PAYLOAD,
    "no message": b"\x00\x00" + PAYLOAD,
}
"""What nobody begins with who speaks the protocol."""

IGNORED = {
    "an unknown message": PAYLOAD,
    "an echo": encode_echo(PAYLOAD),
    "a denial": encode_denied(SECRET),
    "a query with a body": b"\x03" + PAYLOAD,
}
"""What is taken without a word from who has said something before."""

CONTROL = {
    "a second greeting": b"\xf0" + PAYLOAD,
    "a greeting of a server": b"\xf1" + PAYLOAD,
    "an acknowledgement of nothing": b"\xf6" + PAYLOAD,
    "a piece of nothing": b"\xf7" + PAYLOAD,
    "a mark that is none": b"\xf8" + PAYLOAD,
}
"""Frames of the zmq wire that are malformed, or out of place."""

ZMQ = [wire for wire in WIRES if wire.name == "zmq"]
WEBSOCKET = [wire for wire in WIRES if wire.name == "websocket"]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Everything that is logged, by whomever."""
    caplog.set_level(logging.DEBUG)
    return caplog


def check(log: pytest.LogCaptureFixture, said: str, times: int) -> None:
    """Make sure that something was logged so often, and nothing of the content with it."""
    assert log.text.count(said) == times
    everything = everything_in(log.records)
    for trace in (SECRET, PAYLOAD.hex()):
        assert trace not in everything


async def test_what_is_shared(wire: Wire, log: pytest.LogCaptureFixture) -> None:
    async with wire.server() as server:
        async with wire.client(server) as ann, wire.client(server) as bob:
            write(ann.doc, SECRET)
            ann.awareness.set_local_state({"name": SECRET})
            await until(bob.doc, lambda: keys_of(bob.doc) == {SECRET})
            await until(bob.awareness, lambda: {"name": SECRET} in bob.awareness.states.values())
        await until_clients(server, 0)
    check(log, " left", times=2)


async def test_what_is_not_accepted(wire: Wire, log: pytest.LogCaptureFixture) -> None:
    async with wire.server(authorize=Guests(reader=Access.READ)) as server:
        with fail_after(PATIENCE), pytest.raises(UnsentEditsError):
            async with wire.client(server, token="reader") as reader:
                write(reader.doc, SECRET)
                with pytest.raises(ReadOnlyError):
                    await reader.flush()
    check(log, "does not accept changes", times=1)


async def test_what_a_client_sends_malformed(wire: Wire, log: pytest.LogCaptureFixture) -> None:
    async with wire.server(max_message_size=16 * KIB, max_awareness_size=KIB) as server:
        for frame in (MALFORMED | TOO_LARGE).values():
            async with introduced(wire, server) as channel:
                ignore_the_limit_of_the_server(channel)
                await channel.send(frame)
                assert await close_code_of(channel) in (1002, 1007, 1009)
        await until_clients(server, 0)
    check(log, "was dropped: ", times=len(MALFORMED | TOO_LARGE))


async def test_what_a_stranger_sends(wire: Wire, log: pytest.LogCaptureFixture) -> None:
    async with wire.server() as server:
        for frame in STRANGE.values():
            async with wire.client(server).open() as channel:
                await channel.send(frame)
                assert await close_code_of(channel) == 1002
        await until_clients(server, 0)
    check(log, "was dropped: ", times=len(STRANGE))


async def test_what_a_client_sends_in_vain(wire: Wire, log: pytest.LogCaptureFixture) -> None:
    async with wire.server() as server:
        async with introduced(wire, server) as channel:
            for frame in (*IGNORED.values(), encode_echo(b"done")):
                await channel.send(frame)
            while b"done" not in await receive(channel, Kind.ECHO):
                pass
        await until_clients(server, 0)
    check(log, " left", times=1)


async def test_what_a_server_sends_malformed(wire: Wire, log: pytest.LogCaptureFixture) -> None:
    async with wire.server() as server:
        for room, frame in MALFORMED.items():
            async with wire.client(server, room) as client:
                await break_off(client, server, frame)
    check(log, "; trying again", times=len(MALFORMED))


async def break_off(client: ClientWire, server: ServerWire, frame: bytes) -> None:
    """Send a client something for which it ends its connection."""
    (channel,) = (await server.rooms.get(client.id)).clients
    with client.status_changes() as changes, fail_after(PATIENCE):
        await channel.send(frame)
        while await changes.receive() is not Status.DISCONNECTED:
            pass


@pytest.mark.parametrize("wire", WEBSOCKET, ids=str)
async def test_a_text_frame(wire: Wire, log: pytest.LogCaptureFixture) -> None:
    async with WebsocketServer(port=0) as server:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{server.port}") as socket,
        ):
            await socket.send_str(SECRET)
            with fail_after(PATIENCE):
                async for _ in socket:
                    pass
            assert socket.close_code == 1003
        await until_clients(server, 0)
    check(log, "was dropped: ", times=1)


@pytest.mark.parametrize("wire", ZMQ, ids=str)
async def test_control_frames(wire: Wire, log: pytest.LogCaptureFixture) -> None:
    async with wire.server() as server:
        for frame in CONTROL.values():
            async with introduced(wire, server) as channel:
                assert isinstance(channel, ZmqChannel)
                assert channel.signal(frame)
                assert await close_code_of(channel) in (1002, 1009, 4400)
        await until_clients(server, 0)
    check(log, "was dropped: ", times=len(CONTROL))


@pytest.mark.parametrize("wire", ZMQ, ids=str)
@pytest.mark.parametrize("greeting", [PAYLOAD, b"\xf0" + PAYLOAD, b"\xf0\x03" + PAYLOAD])
async def test_what_is_no_greeting(
    wire: Wire, greeting: bytes, log: pytest.LogCaptureFixture
) -> None:
    async with ZmqServer() as server:
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.set(zmq.LINGER, 0)
            socket.connect(server.endpoint)
            socket.send(greeting)
            await eventually(lambda: " refused: " in log.text)
    check(log, " refused: ", times=1)
