"""A server in a process of its own: `python -m tests.fuzz.server zmq trio`.

It prints its port, then a report for every line that it reads, and ends with its standard input.
"""

from __future__ import annotations

import json
import sys

import anyio
from anyio import create_task_group, to_thread

from tests.fuzz.vitals import Vitals, spare_what_is_there
from ycore import Rooms, bind


async def serve(wire: str) -> None:
    vitals = Vitals()
    async with Rooms(linger=0) as rooms, bind(wire, rooms=rooms, port=0) as server:
        spare_what_is_there()
        async with create_task_group() as tasks:
            tasks.start_soon(vitals.watch)
            _print(getattr(server, "port"))  # noqa: B009 - a wire's own
            while await to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
                _print(vitals.report())
            tasks.cancel_scope.cancel()


def _print(value: object) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - it is what the program is for


if __name__ == "__main__":
    anyio.run(serve, sys.argv[1], backend=sys.argv[2])
