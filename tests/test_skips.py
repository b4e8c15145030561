"""Where something is missing, the tests that need it are skipped, or fail if all must run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

REQUIRE_EVERYTHING = "YWIRE_REQUIRE_EVERYTHING"

YJS, EDITOR = "tests/yjs/test_rooms.py", "tests/editor/test_pages.py"


def run_tests(module: str, programs: Path, **environment: str) -> tuple[int, str]:
    """Run a module where there are certain programs only; return the exit code and the output."""
    inherited = {name: value for name, value in os.environ.items() if name != REQUIRE_EVERYTHING}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", module],
        cwd=ROOT,
        env=inherited | {"PATH": str(programs)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("node", "module", "what"),
    [
        (None, YJS, "needs node, which is not installed: nodejs.org"),
        ("v20.18.3", YJS, "needs node 20.19 or newer, not 20.18: nodejs.org"),
        ("v20.19.0", EDITOR, "needs chromium, which is not installed: apt-get install chromium"),
    ],
    ids=["no node", "an old node", "no chromium"],
)
def test_a_line_says_what_is_missing(
    tmp_path: Path, node: str | None, module: str, what: str
) -> None:
    if node is not None:
        (tmp_path / "node").write_text(f"#!/bin/sh\necho {node}\n")
        (tmp_path / "node").chmod(0o755)
    code, output = run_tests(module, tmp_path)
    assert code == 0, output
    (line,) = [line for line in output.splitlines() if line.startswith("SKIPPED")]
    assert line.endswith(f"{module} {what}")
    code, output = run_tests(module, tmp_path, **{REQUIRE_EVERYTHING: "1"})
    assert code == 1, output
    assert f"{what} ({REQUIRE_EVERYTHING} is set)" in output
