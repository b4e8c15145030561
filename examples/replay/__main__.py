"""Replay a recording of people writing over a wire, and see that every reader gets it all."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any

import anyio
from anyio import create_task_group
from pycrdt import Doc, Text

from ycore import ClientWire, ServerWire, WireError, bind, connect

from .traces import TEXT, Trace, read_trace
from .watching import wait_until
from .writing import Pace, Writer, writers_of

ROOM = "replay"


def main() -> int:
    """Run the command and return its exit code."""
    options = _parse()
    try:
        trace = read_trace(options.trace)
        if options.limit is not None:
            trace = trace.first(options.limit)
        are_equal = anyio.run(replay, options.wire, trace, options.readers, options.speed)
    except (FileNotFoundError, ValueError, WireError) as exc:
        print(exc, file=sys.stderr)
        return 2
    return 0 if are_equal else 1


async def replay(wire: str, trace: Trace, readers: int, speed: float) -> bool:
    """Replay a trace over a wire; return whether every document became what it should."""
    print(f"{trace.name}: {len(trace.transactions)} transactions, writers: {trace.agents}")
    writers = writers_of(trace)
    # Leaving the block closes the clients, then the server.
    async with AsyncExitStack() as stack:
        port: dict[str, Any] = {} if wire == "memory" else {"port": 0}
        server = await stack.enter_async_context(bind(wire, **port))
        print(f"serving on {server.address}")
        writing = [await join(stack, wire, server) for _ in writers]
        reading = [await join(stack, wire, server) for _ in range(readers)]
        print(f"connected, readers: {readers}")
        start = perf_counter()
        await write(writers, writing, speed)
        print(f"written after {perf_counter() - start:.1f} s")
        for number, client in enumerate(reading, 1):
            await wait_for_end(client.doc, trace)
            print(f"reader {number} has it all after {perf_counter() - start:.1f} s")
        contents = {str(client.doc.get(TEXT, type=Text)) for client in writing + reading}
    are_equal = contents == {trace.end_content}
    print("all documents are equal" if are_equal else "THE DOCUMENTS DIFFER")
    return are_equal


async def join(stack: AsyncExitStack, wire: str, server: ServerWire) -> ClientWire:
    """Connect one more client."""
    # A wire between processes has a port.
    port = getattr(server, "port", None)
    options = {} if port is None else {"port": port}
    return await stack.enter_async_context(connect(wire, id=ROOM, **options))


async def write(writers: Sequence[Writer], clients: Sequence[ClientWire], speed: float) -> None:
    """Let each writer write in a client of its own, all at once."""
    async with create_task_group() as tasks:
        for writer, client in zip(writers, clients, strict=True):
            tasks.start_soon(writer, client.doc, Pace(speed=speed, every=5))


async def wait_for_end(doc: Doc[Any], trace: Trace) -> None:
    """Wait until a document has all of a trace."""
    text = doc.get(TEXT, type=Text)
    await wait_until(doc, lambda: str(text) == trace.end_content)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.replay", description=__doc__)
    parser.add_argument("--wire", default="memory", help="the name of the wire (memory)")
    parser.add_argument(
        "--trace",
        default="sveltecomponent",
        help="a file, or the name of one in ../shared/data: sveltecomponent (the default, one"
        " writer) or clownschool (three)",
    )
    parser.add_argument("--readers", type=whole_number, default=3, help="how many clients read (3)")
    parser.add_argument(
        "--speed",
        type=positive_number,
        default=math.inf,
        help="how many times faster than it was written; as fast as it goes by default",
    )
    parser.add_argument(
        "--limit", type=whole_number, help="only so many transactions, of a trace of one writer"
    )
    return parser.parse_args()


def whole_number(argument: str) -> int:
    count = int(argument)
    if count < 0:
        raise ValueError(argument)
    return count


def positive_number(argument: str) -> float:
    speed = float(argument)
    if not speed > 0:
        raise ValueError(argument)
    return speed


if __name__ == "__main__":
    sys.exit(main())
