"""Who comes in these tests, what is granted to them, and what becomes of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from anyio import EndOfStream, fail_after, wait_all_tasks_blocked
from pycrdt import Doc

from tests.life.guest import write
from tests.life.wires import Wire
from ycore import Access, AccessRequest, Channel, ClientWire, ConnectError, ServerWire
from ycore.protocol import Kind, decode, encode_step1
from ycore.replica import EMPTY_STATE
from ywire_zmq.channel import ZmqChannel

__all__ = [
    "PATIENCE",
    "Guests",
    "close_code_of",
    "eventually",
    "ignore_the_limit_of_the_server",
    "introduced",
    "receive",
    "refusal",
    "until_clients",
    "update_of",
]

PATIENCE = 10.0
"""What has to happen may take so long, in seconds; nobody waits so long when all is well."""


class Guests:
    """An `authorize` that does what a test says at the moment, by the token."""

    def __init__(self, **answers: Access | Exception) -> None:
        self.answers = answers
        """What is granted, or raised; nothing is granted to others."""
        self.asked: list[AccessRequest] = []

    async def __call__(self, request: AccessRequest) -> Access:
        self.asked.append(request)
        answer = self.answers.get(request.credentials.token or "", Access.NONE)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def tokens(self) -> list[str | None]:
        """What was shown, in this order."""
        return [request.credentials.token for request in self.asked]


async def refusal(client: ClientWire) -> ConnectError:
    """Enter a client that is refused; return with what."""
    with fail_after(PATIENCE), pytest.raises(ConnectError) as caught:
        async with client:
            raise AssertionError("connected")
    return caught.value


@asynccontextmanager
async def introduced(wire: Wire, server: object, **options: Any) -> AsyncIterator[Channel]:
    """Open a connection on which the first message was said."""
    async with wire.client(server, **options).open() as channel:
        await channel.send(encode_step1(EMPTY_STATE))
        yield channel


def ignore_the_limit_of_the_server(channel: Channel) -> None:
    """Have a client of zmq send what it knows to be too large."""
    if isinstance(channel, ZmqChannel):
        channel.peer_limit = channel.limits.max_message_size


async def receive(channel: Channel, kind: Kind) -> bytes:
    """Receive until a frame is of a kind."""
    with fail_after(PATIENCE):
        while True:
            frame = await channel.receive()
            if kind in [message.kind for message in decode(frame)]:
                return frame


async def close_code_of(channel: Channel) -> int | None:
    """Read until the server closes; return its code."""
    with fail_after(PATIENCE), pytest.raises(EndOfStream):
        while True:
            await channel.receive()
    return channel.close_code


async def eventually(condition: Callable[[], object]) -> None:
    """Wait for what nobody tells."""
    with fail_after(PATIENCE):
        while not condition():
            await wait_all_tasks_blocked()


async def until_clients(server: ServerWire, count: int) -> None:
    """Wait until so many are connected."""
    await eventually(lambda: server.stats().clients == count)


def update_of(key: str) -> bytes:
    """Return a change of a document of its own."""
    doc: Doc[Any] = Doc()
    write(doc, key)
    return doc.get_update()
