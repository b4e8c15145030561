"""What a websocket takes for a sign of life, and what it does not."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession, WSMsgType
from anyio import create_task_group, fail_after, sleep
from pycrdt import Text

from tests.faults.wires import NOTICE, ROOM, port_of, serve
from tests.load.scene import keep_send_buffers_small
from tests.slow_lines.line import HEARTBEAT, slow_line, tls_contexts
from ycore import Room
from ywire_websocket import patience


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_large_document_is_received_by_tls() -> None:
    server_context, client_context = tls_contexts()
    async with slow_line("websocket", ssl_context=server_context) as line:
        await line.receive_a_large_document(ssl_context=client_context)


async def test_a_large_document_is_sent_by_tls() -> None:
    server_context, client_context = tls_contexts()
    async with slow_line("websocket", ssl_context=server_context) as line:
        await line.send_a_large_document(ssl_context=client_context)


async def test_a_large_document_is_received_on_any_system(monkeypatch: pytest.MonkeyPatch) -> None:
    # Most systems do not tell what a peer has acknowledged. What they hold is not known either: it
    # has to be little for a heartbeat as short as this.
    monkeypatch.setattr(patience, "_tcp_info", lambda connection: None)
    keep_send_buffers_small(monkeypatch)
    async with slow_line("websocket", heartbeat=2 * HEARTBEAT) as line:
        await line.receive_a_large_document()


async def test_who_takes_everything_and_says_nothing_is_given_up() -> None:
    """The system of a program that is frozen goes on taking what is sent to it."""

    async def write(room: Room) -> None:
        text = room.doc.get("text", type=Text)
        while True:
            text.insert(0, "x" * 100)
            await sleep(0.01)

    async with (
        serve("websocket") as server,
        server.rooms.join(ROOM) as room,
        ClientSession() as mute,
    ):
        url = f"ws://127.0.0.1:{port_of(server)}/{ROOM}"
        async with mute.ws_connect(url, autoping=False) as socket, create_task_group() as tasks:
            tasks.start_soon(write, room)
            with fail_after(NOTICE):
                kinds = [message.type async for message in socket]
            tasks.cancel_scope.cancel()
    assert WSMsgType.PING in kinds
    assert not room.clients
