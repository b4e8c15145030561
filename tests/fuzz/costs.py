"""Measure for how long one client's messages keep a server from everybody else.

    uv run python -m tests.fuzz.costs

For each of the hostile messages and of some that are valid but dear: the bytes; the longest time
for which the event loop of the server did nothing else, and that by the byte; the processor time
of the server, and the time until the last frame was answered. The room holds the corpus and this
one client.
"""

from __future__ import annotations

# ruff: noqa: T201 - it is a script
import argparse
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import anyio

from tests.fuzz.attack import attacking
from tests.fuzz.corpus import content
from tests.fuzz.heavy import HEAVY
from tests.fuzz.hostile import HOSTILE
from tests.fuzz.stage import Carrier, Stage, open_stage
from ycore.protocol import encode_step2

PATIENCE = 300.0

TICKS = os.sysconf("SC_CLK_TCK")


async def measure(carrier: Carrier, chosen: str) -> None:
    cases: dict[str, Callable[[], list[bytes]]] = {
        **{name: case.frames for name, case in HOSTILE.items()},
        **HEAVY,
    }
    print(
        f"{'bytes':>10} {'held, ms':>9} {'cpu, ms':>9} {'us/byte':>9} {'all, ms':>9} answer  what"
    )
    async with open_stage(carrier) as stage:
        for name, make in cases.items():
            if chosen in name:
                await _measure_one(stage, name, make())


async def _measure_one(stage: Stage, name: str, frames: list[bytes]) -> None:
    async with attacking(stage.connect(name)) as attacker:
        await attacker.send(encode_step2(content()))
        before = await stage.report()
        cpu, start = _cpu(before.pid), monotonic()
        code: int | None = None
        for frame in frames:
            code = code or await attacker.send(frame, patience=PATIENCE)
        elapsed = monotonic() - start
        used = _cpu(before.pid) - cpu
        held = (await stage.report()).stall
    size = sum(map(len, frames))
    print(
        f"{size:10} {held * 1000:9.1f} {used * 1000:9.0f} {held * 1e6 / max(size, 1):9.2f}"
        f" {elapsed * 1000:9.0f} {code or 'taken':6}  {name}",
        flush=True,
    )


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wire", default="websocket", choices=["websocket", "zmq"])
    parser.add_argument("--only", default="", help="those with this in their names")
    options = parser.parse_args()
    carrier = Carrier(options.wire, "asyncio")
    anyio.run(measure, carrier, options.only, backend=carrier.loop)


if __name__ == "__main__":
    main()
