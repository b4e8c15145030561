"""The example in a process of its own, and a browser to look at it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

# The examples and the tests are no installed packages.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples.editor.building import built_page
from tests.editor.browser import Browser, run_browser
from tests.editor.program import Program, run_program

SCREENSHOTS = "YWIRE_SCREENSHOTS"
"""The folder for screenshots, in the environment."""


@pytest.fixture(scope="session")
def page_is_built(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Build the page, if no other of the processes that run the tests has done so."""
    with (tmp_path_factory.getbasetemp().parent / "editor.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        built_page()


@pytest.fixture
async def program(page_is_built: None) -> AsyncIterator[Program]:
    async with run_program() as program:
        yield program


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with run_browser() as browser:
        yield browser


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """The folder for screenshots."""
    folder = Path(os.environ.get(SCREENSHOTS, tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
