"""Whatever has come and gone leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.life.wires import Wire

SCRIPT = Path(__file__).with_name("run.py")

ROOMS, CONNECTIONS, REFUSED, AT_ONCE = 50, 100, 50, 25
"""So many come in a batch, and so many of them at a time."""

LEAK = 3.0
"""How much memory a connection may leave behind, in KiB. It is not nothing: some is remembered for
a while, such as who has left. A channel, or a room with its document, is from 4 to 25."""


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system lists no open files")
def test_nothing_is_left_of_rooms_and_connections(wire: Wire) -> None:
    """Counted in a process of its own, where nobody else opens anything."""
    report = count(wire)
    assert report["left"] == {}
    assert report["left_at_the_end"] == {}
    # What is leaked grows with each batch; by chance the memory grows in one, and not in another.
    growth = median(after - before for before, after in pairwise(report["memory"]))
    assert growth < LEAK * CONNECTIONS, report["memory"]


def count(wire: Wire) -> dict[str, Any]:
    # What measures coverage would grow as well.
    environment = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
    environment["PYTHONMALLOC"] = "malloc"
    where = ["--wire", wire.name, "--backend", wire.backend]
    what = {
        "--rooms": ROOMS,
        "--connections": CONNECTIONS,
        "--refused": REFUSED,
        "--at-once": AT_ONCE,
    }
    numbers = [argument for name, number in what.items() for argument in (name, str(number))]
    result = subprocess.run(
        [sys.executable, str(SCRIPT), *where, *numbers],
        env=environment,
        stdout=subprocess.PIPE,
        timeout=100,
        check=True,
    )
    report: dict[str, Any] = json.loads(result.stdout)
    return report
