"""A server in a program of its own, which tells what its room has saved at the end.

It ends at a signal as docs/operating.md shows. Unprepared it does nothing about signals, as most
programs do.
"""

from __future__ import annotations

import argparse
from signal import SIGINT, SIGTERM

import anyio
from anyio import TASK_STATUS_IGNORED, open_signal_receiver, sleep_forever
from anyio.abc import TaskStatus
from pycrdt import Map

from ycore import Room, bind


class TellingRoom(Room):
    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        try:
            await super().run(task_status=task_status)
        finally:
            keys = sorted(self.doc.get("shared", type=Map))
            print("saved:", *keys, flush=True)  # noqa: T201


async def serve(options: argparse.Namespace) -> None:
    async with bind(
        options.wire, TellingRoom, port=0, close_timeout=options.close_timeout
    ) as server:
        if options.unprepared:
            tell(options.wire, server.address)
            await sleep_forever()
        with open_signal_receiver(SIGTERM, SIGINT) as signals:
            tell(options.wire, server.address)
            async for _ in signals:
                break


def tell(wire: str, address: str) -> None:
    print(f"serving {wire} on {address}", flush=True)  # noqa: T201


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wire")
    parser.add_argument("backend")
    parser.add_argument("--close-timeout", type=float, default=5.0)
    parser.add_argument("--unprepared", action="store_true")
    options = parser.parse_args()
    anyio.run(serve, options, backend=options.backend)


if __name__ == "__main__":
    main()
