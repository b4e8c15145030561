from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from subprocess import PIPE, Popen
from time import process_time

import pytest

from benchmarks.load.processes import Group

MIB = 1024 * 1024

WORKER = """
import sys
data = []
for line in sys.stdin:
    data.append(b"x" * int(line))
    print(flush=True)
"""


@pytest.fixture
def group() -> Iterator[Popen[str]]:
    """A process that takes memory when asked, in a group with one that it has started."""
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORKER!r}])"
    command = [sys.executable, "-c", parent]
    with Popen(command, stdin=PIPE, stdout=PIPE, text=True, start_new_session=True) as process:
        take(process, 1)
        yield process
        assert process.stdin
        process.stdin.close()


def take(process: Popen[str], size: int) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{size}\n")
    process.stdin.flush()
    process.stdout.readline()


def test_all_of_a_group_are_found(group: Popen[str]) -> None:
    found = Group.of(group.pid)
    assert group.pid in found.pids
    assert len(found.pids) == 2


def test_cpu_and_memory_are_of_all(group: Popen[str]) -> None:
    found = Group.of(group.pid)
    found.forget_peak()
    memory, cpu = found.memory, found.cpu
    take(group, 64 * MIB)
    assert found.memory - memory > 60 * MIB
    assert found.peak - memory > 60 * MIB
    assert found.cpu > cpu


def test_cpu_is_that_of_the_process() -> None:
    command = [sys.executable, "-c", "print(1, flush=True); input()"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE) as other:
        assert other.stdout
        # It has started, and waits.
        other.stdout.read(1)
        before = Group((other.pid,)).cpu
        start = process_time()
        while process_time() < start + 0.05:
            pass
        assert Group((other.pid,)).cpu - before < 0.02
        other.communicate(b"\n")
