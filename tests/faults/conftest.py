"""What the tests of faults share."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tests are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))


@pytest.fixture(autouse=True, scope="session")
def many_files() -> Iterator[None]:
    """Have as many open files as there may be: a client of zmq needs four."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
