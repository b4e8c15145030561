"""A server that begins when it is told to. It imports little: a busy machine is slow at that."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

import anyio

from ycore import Room

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.faults.edits import edits_of
from tests.faults.wires import port_of, serve


async def run(wire: str, heartbeat: float) -> None:
    """Serve as soon as the port is told, until nothing can be told any more."""
    orders = anyio.wrap_file(sys.stdin)
    port, edits = json.loads(await orders.readline())
    async with serve(wire, partial(_room, edits=edits), port=port, heartbeat=heartbeat) as server:
        print(port_of(server), flush=True)  # noqa: T201
        await orders.read()


def _room(id: str, *, edits: list[str]) -> Room:  # noqa: A002
    room = Room(id)
    edits_of(room.doc).extend(edits)
    return room


if __name__ == "__main__":
    wire, event_loop, heartbeat = sys.argv[1:]
    anyio.run(run, wire, float(heartbeat), backend=event_loop)
