"""What all tests share: the event loops they run on, and what they do without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

REQUIRE_EVERYTHING = "YWIRE_REQUIRE_EVERYTHING"
"""With this in the environment, what is missing fails a test instead of skipping it."""

NODE = (20, 19)
"""The oldest Node.js that will do."""

SOURCES = {"node": "nodejs.org", "chromium": "apt-get install chromium"}
"""Where to get the programs that tests need."""

HEAVY = {"chaos", "faults", "load", "replay"}
"""The folders of tests that keep a machine busy: to measure coverage would be half of their work,
and they cover what others cover."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


@pytest.hookimpl(optionalhook=True)  # There may be no pytest-xdist.
def pytest_xdist_auto_num_workers() -> int:
    """Return how many tests run at a time: one more than there are cores, since many only wait."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return cores + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Measure no coverage where it would be a burden."""
    for item in items:
        if item.path.parent.name in HEAVY:
            item.add_marker("no_cover")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that is marked to need what is not there."""
    for marker in item.iter_markers("needs"):
        for thing in marker.args:
            if (missing := _what_is_missing(thing)) is None:
                continue
            if os.environ.get(REQUIRE_EVERYTHING):
                pytest.fail(f"{missing} ({REQUIRE_EVERYTHING} is set)", pytrace=False)
            # pytest's summary would name this file alone.
            pytest.skip(f"{item.path.relative_to(ROOT)} {missing}")


def _what_is_missing(thing: str) -> str | None:
    """Return what a person lacks and how to get it: a program, or a folder's npm packages."""
    if "/" not in thing:
        return _what_is_wrong_with(thing)
    if (ROOT / thing / "node_modules").is_dir():
        return None
    return f"needs the npm packages of {thing}: npm ci --prefix {thing}"


@cache
def _what_is_wrong_with(program: str) -> str | None:
    if (path := shutil.which(program)) is None:
        return f"needs {program}, which is not installed: {SOURCES[program]}"
    if program != "node" or (version := _node_version(path)) >= NODE:
        return None
    found, needed = (".".join(map(str, numbers)) for numbers in (version, NODE))
    return f"needs node {needed} or newer, not {found}: {SOURCES[program]}"


def _node_version(path: str) -> tuple[int, ...]:
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return tuple(map(int, answer.stdout.removeprefix("v").split(".")[:2]))
