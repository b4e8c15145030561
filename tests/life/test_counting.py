"""Whatever has come and gone leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.life.wires import Wire

SCRIPT = Path(__file__).with_name("run.py")

MEMORY = 16 * 1024
"""By so much the memory may grow, in KiB. It does so by chance; ten thousand documents that are
left behind would take several times as much."""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system lists no open files")
def test_nothing_is_left_of_rooms_and_connections(wire: Wire) -> None:
    """Counted in a process of its own, where nobody else opens anything."""
    rooms, connections = (10_000, 2000) if str(wire) == "memory-asyncio" else (1000, 400)
    report = count(wire, rooms, connections)
    assert report["left"] == report["left_at_the_end"] == {}
    assert report["after"]["memory"] - report["before"]["memory"] < MEMORY


def count(wire: Wire, rooms: int, connections: int) -> dict[str, Any]:
    # What measures coverage would grow as well.
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    where = ["--wire", wire.name, "--backend", wire.backend]
    what = ["--rooms", str(rooms), "--connections", str(connections)]
    result = subprocess.run(
        [sys.executable, str(SCRIPT), *where, *what],
        env=environment,
        stdout=subprocess.PIPE,
        timeout=100,
        check=True,
    )
    report: dict[str, Any] = json.loads(result.stdout)
    return report
