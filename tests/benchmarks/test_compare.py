from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def compare(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "compare.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


SERVERS = ["ywire", "relay", "ywire-zmq", "ywire-memory"]


def test_servers_in_turn(tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    options = [f"--peers={','.join(SERVERS)}", "--scenarios=flood", "--rounds=2", f"--json={file}"]
    done = compare(*options, "--set=flood.edits=100", "--set=flood.readers=3")
    assert done.returncode == 0, done.stderr
    assert "Flood: one types as fast as the server takes it (readers 3, edits 100" in done.stdout
    [comparison] = json.loads(file.read_text())["comparisons"]
    assert [result["peer"] for result in comparison["results"]] == SERVERS
    for result in comparison["results"]:
        assert [run["figures"]["deliveries"] for run in result["runs"]] == [300, 300]
        assert all(run["figures"]["server_cpu"] > 0 for run in result["runs"])


def test_what_the_help_says() -> None:
    done = compare("--help")
    assert done.returncode == 0
    assert "flood.readers=49: how many read" in done.stdout


@pytest.mark.parametrize(
    ("option", "error"),
    [
        ("--scenarios=flod", "'flod' is none of flood"),
        ("--set=flood.writers=1", "'flood.writers=1' sets no option of a scenario"),
        ("--set=flood.readers=x", "'flood.readers=x' sets no option of a scenario"),
        ("--scenarios=trace", "the scenario trace needs --trace"),
    ],
)
def test_a_mistake(option: str, error: str) -> None:
    done = compare(option)
    assert done.returncode == 2
    assert error in done.stderr
