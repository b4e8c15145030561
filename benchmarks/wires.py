"""Measure what a wire by itself costs a server: a message received, and one sent, in a flood.

There is no document: rooms only receive, or send to all who are there. The server is a process of
its own, and its CPU is that of all its threads, libzmq's among them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from statistics import median
from subprocess import PIPE
from time import process_time

import anyio
import anyio.lowlevel
from anyio import (
    TASK_STATUS_IGNORED,
    BrokenResourceError,
    Event,
    create_task_group,
    fail_after,
    open_process,
)
from anyio.abc import TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from ycore import Channel, Room, bind, connect

WIRES = ("zmq", "websocket")
DIRECTIONS = ("received", "sent")
PATIENCE = 60.0

MESSAGE = bytes.fromhex("000214010196f6d9a10a208496f6d9a10a1f017800")
"""A keystroke, as typing makes it."""

BURST = 100
"""So many messages are sent before others get a turn."""


class Flood(Room):
    """A room that waits for all its clients, then receives from the first or sends to each."""

    direction = "received"
    readers = 0
    count = 0

    async def serve(
        self, client: Channel, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED
    ) -> None:
        """Talk to one client; the first one says when to begin, and is told what it took."""
        task_status.started()
        is_first = await client.receive() == b"first"
        _present.append(client)
        if len(_present) == self.readers:
            _complete.set()
        if is_first:
            await self._flood(client)
        with suppress(BrokenResourceError):
            async for _ in client:
                pass

    async def _flood(self, client: Channel) -> None:
        await _complete.wait()
        start = process_time()
        if self.direction == "received":
            await client.send(MESSAGE)
            for _ in range(self.count):
                await client.receive()
        else:
            await self._send_to_all()
            await client.receive()
        await client.send(json.dumps(process_time() - start).encode())

    async def _send_to_all(self) -> None:
        for number in range(self.count):
            for client in _present:
                if not client.send_nowait(MESSAGE):
                    await client.send(MESSAGE)
            if number % BURST == 0:
                await anyio.lowlevel.checkpoint()


_present: list[Channel] = []
_complete = Event()


async def _serve(wire: str, direction: str, readers: int, count: int) -> None:
    Flood.direction, Flood.readers, Flood.count = direction, readers, count
    async with bind(wire, Flood, host="127.0.0.1", port=0) as server:
        print(getattr(server, "port", None), flush=True)
        async for _ in anyio.wrap_file(sys.stdin):
            pass


@asynccontextmanager
async def _serving(wire: str, direction: str, readers: int, count: int) -> AsyncIterator[int]:
    """Run a server in a process of its own; give its port."""
    arguments = [sys.executable, __file__, "--serve", wire, direction, str(readers), str(count)]
    async with await open_process(arguments, stdin=PIPE, stderr=None) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            output = BufferedByteReceiveStream(process.stdout)
            yield int(await output.receive_until(b"\n", 100))
            await process.stdin.aclose()
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()


async def _measure(wire: str, direction: str, readers: int, count: int) -> float:
    """Return the CPU that the server has taken for a message, in seconds."""
    with fail_after(PATIENCE):
        async with _serving(wire, direction, readers, count) as port, AsyncExitStack() as stack:
            line = connect(wire, host="127.0.0.1", port=port)
            first = await stack.enter_async_context(line.open())
            others = [
                await stack.enter_async_context(connect(wire, host="127.0.0.1", port=port).open())
                for _ in range(readers - 1)
            ]
            for channel in others:
                await channel.send(b"another")
            await first.send(b"first")
            if direction == "received":
                await first.receive()
                await _send(first, count)
            else:
                async with create_task_group() as tasks:
                    for channel in (first, *others):
                        tasks.start_soon(_receive, channel, count)
                await first.send(b"done")
            taken: float = json.loads(await first.receive())
            return taken / (count * readers)


async def _send(channel: Channel, count: int) -> None:
    for _ in range(count):
        if not channel.send_nowait(MESSAGE):
            await channel.send(MESSAGE)


async def _receive(channel: Channel, count: int) -> None:
    for _ in range(count):
        await channel.receive()


def main() -> None:
    """Run the benchmark."""
    options = _parse()
    if options.serve:
        wire, direction, readers, count = options.serve
        anyio.run(_serve, wire, direction, int(readers), int(count))
        return
    print("| wire | a message is | CPU of server, µs |\n| --- | --- | --- |")
    for direction in DIRECTIONS:
        readers = 1 if direction == "received" else options.readers
        count = options.messages // readers
        costs: dict[str, list[float]] = {wire: [] for wire in WIRES}
        for _ in range(options.rounds):
            for wire, taken in costs.items():
                taken.append(anyio.run(_measure, wire, direction, readers, count))
        for wire, taken in costs.items():
            print(f"| {wire} | {direction} | {1e6 * median(taken):.2f} |")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--messages", type=int, default=200_000, help="in a flood (%(default)s)")
    add("--readers", type=int, default=10, help="to whom they are sent (%(default)s)")
    add("--rounds", type=int, default=3, help="medians of so many runs (%(default)s)")
    add("--serve", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
