"""What people really typed, over every wire, until every document has it all."""

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from anyio import create_task_group, fail_after
from pycrdt import Doc, Text, TransactionEvent

from examples.replay.traces import TEXT, Trace
from examples.replay.watching import clocks, wait_until
from examples.replay.writing import Pace, writers_of
from ycore import ClientWire, Rooms, ServerWire, bind, connect

ROOM = "replay"
READERS = 9
BOUND = 60

WIRES_AND_BACKENDS = [
    ("memory", "asyncio"),
    ("memory", "trio"),
    ("websocket", "asyncio"),
    ("zmq", "asyncio"),
    ("zmq", "trio"),
]


@pytest.mark.parametrize(("wire", "anyio_backend"), WIRES_AND_BACKENDS)
async def test_readers_get_all_that_one_writer_types(wire: str, sveltecomponent: Trace) -> None:
    (write,) = writers_of(sveltecomponent)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(bind(wire, **free_port(wire)))
        writer = await join(stack, wire, server)
        readers = [await join(stack, wire, server) for _ in range(READERS)]
        with fail_after(BOUND), counted_updates(writer.doc, *docs(server)) as (typed, arrived):
            await write(writer.doc, Pace(every=7))
            await all_have(sveltecomponent, [client.doc for client in readers] + docs(server))
    assert typed.count == len(sveltecomponent.transactions)
    # Otherwise there was hardly a conversation.
    assert arrived.count > 500


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_three_writers_on_three_wires_meet_in_one_room(clownschool: Trace) -> None:
    writers = writers_of(clownschool)
    wires = ["memory", "websocket", "zmq"]
    async with Rooms() as rooms, AsyncExitStack() as stack:
        clients: list[ClientWire] = []
        readers: list[ClientWire] = []
        for wire in wires:
            server = await stack.enter_async_context(bind(wire, rooms=rooms, **free_port(wire)))
            clients.append(await join(stack, wire, server))
            readers.append(await join(stack, wire, server))
        [room] = rooms
        with fail_after(BOUND), counted_updates(room.doc) as (arrived,):
            async with create_task_group() as tasks:
                for write, client in zip(writers, clients, strict=True):
                    tasks.start_soon(write, client.doc, Pace(every=7))
            shared = [room.doc, *(client.doc for client in clients + readers)]
            await all_have(clownschool, shared)
        assert all(clocks(doc) == clocks(room.doc) for doc in shared)
    assert arrived.count > 2000


def free_port(wire: str) -> dict[str, Any]:
    return {} if wire == "memory" else {"port": 0}


async def join(stack: AsyncExitStack, wire: str, server: ServerWire) -> ClientWire:
    port = getattr(server, "port", None)
    options = {} if port is None else {"port": port}
    return await stack.enter_async_context(connect(wire, id=ROOM, **options))


def docs(server: ServerWire) -> list[Doc[Any]]:
    return [room.doc for room in server.rooms]


async def all_have(trace: Trace, docs: Sequence[Doc[Any]]) -> None:
    for doc in docs:
        text = doc.get(TEXT, type=Text)
        await wait_until(doc, lambda text=text: str(text) == trace.end_content)  # type: ignore[misc]


@dataclass
class Counter:
    count: int = 0

    def __call__(self, event: TransactionEvent) -> None:
        self.count += 1


@contextmanager
def counted_updates(*docs: Doc[Any]) -> Iterator[list[Counter]]:
    """Count the changes of each document: the room's are applied, and sent, once per turn."""
    counters = [Counter() for _ in docs]
    subscriptions = [doc.observe(count) for doc, count in zip(docs, counters, strict=True)]
    try:
        yield counters
    finally:
        for doc, subscription in zip(docs, subscriptions, strict=True):
            doc.unobserve(subscription)
