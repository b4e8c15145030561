"""Clients in processes of their own, which can be killed and frozen."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.yjs.node import run_node
from tests.yjs.processes import Process, read_line, run_process
from tests.yjs.servers import Servers

__all__ = ["Guest", "run_guest"]

VISITOR = Path(__file__).parent / "programs" / "visitor.py"


class Guest(NamedTuple):
    """A client in a process of its own."""

    id: int
    process: Process


@asynccontextmanager
async def run_guest(kind: str, servers: Servers, room: str, state: object) -> AsyncIterator[Guest]:
    """Have a client of a kind in a room, with an awareness state, for the duration of the block."""
    if kind.startswith("yjs"):
        async with run_node() as node:
            client = await node.open(kind.removeprefix("yjs"), servers.url, room)
            await client.evaluate("awareness.setLocalState(state)", state=state)
            yield Guest(client.id, node.process)
    else:
        arguments = json.dumps([kind, servers.address(kind), room, state])
        async with run_process(sys.executable, str(VISITOR), arguments) as process:
            yield Guest(int(await read_line(process)), process)
