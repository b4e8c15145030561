"""Be in a room, with an awareness state, until killed; a line tells the client's id."""

from __future__ import annotations

import json
import sys
from typing import Any

import anyio

from ycore import connect


async def main(wire: str, address: dict[str, Any], room: str, state: dict[str, Any]) -> None:
    """Connect and stay."""
    async with connect(wire, id=room, **address) as client:
        client.awareness.set_local_state(state)
        sys.stdout.write(f"{client.doc.client_id}\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


anyio.run(main, *json.loads(sys.argv[1]))
