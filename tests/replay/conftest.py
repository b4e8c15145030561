import sys
from pathlib import Path

import pytest

# The examples are no installed package.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from examples.replay.traces import DATA, Trace, read_trace


def _read(name: str) -> Trace:
    try:
        return read_trace(name)
    except FileNotFoundError:
        pytest.skip(f"the editing trace {name} is not in {DATA}")


@pytest.fixture(scope="session")
def sveltecomponent() -> Trace:
    return _read("sveltecomponent")


@pytest.fixture(scope="session")
def clownschool() -> Trace:
    return _read("clownschool")
