"""What the documents show works, and what there is to know is in the documents."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import ycore
from ycore import ClientOptions, Limits, Rooms, ServerOptions
from ycore.limits import MIB
from ycore.wires import accepted_options, find_wire

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(ROOT.glob("examples/*/README.md")),
]
WIRES = ("memory", "websocket", "zmq")


class Block(NamedTuple):
    document: Path
    line: int
    source: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def _blocks() -> list[Block]:
    found: list[Block] = []
    for document in DOCUMENTS:
        text = document.read_text()
        for match in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            if "<!-- one program -->" in text and found and found[-1].document == document:
                found[-1] = found[-1]._replace(source=f"{found[-1].source}\n\n{match[1]}")
            else:
                found.append(Block(document, line, match[1]))
    return found


@pytest.mark.parametrize("block", _blocks(), ids=str)
def test_every_python_block_runs(block: Block, tmp_path: Path) -> None:
    """Run a block as a script, or with pytest if it says that it is a test module."""
    is_test = re.match(r"# (test_\w+\.py)\n", block.source)
    path = tmp_path / (is_test[1] if is_test else "script.py")
    path.write_text(block.source)
    arguments = ["-m", "pytest", "-p", "no:cacheprovider", str(path)] if is_test else [str(path)]
    result = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_wire_that_is_shown_is_the_example() -> None:
    source = (ROOT / "examples" / "ywire-tcp" / "src" / "ywire_tcp.py").read_text()
    (shown,) = [b.source for b in _blocks() if b.document.name == "writing-a-wire.md"]
    lines = [line for line in source.splitlines() if line][1:]
    assert [line for line in lines if line not in shown.splitlines()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target


def test_every_public_name_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "api.md").read_text()
    missing = [name for name in ycore.__all__ if f"`{name}" not in reference]
    assert missing == []


@pytest.mark.parametrize("options", [ServerOptions, ClientOptions])
def test_every_common_option_is_documented(options: Any) -> None:
    usage = (ROOT / "docs" / "usage.md").read_text()
    assert [name for name in options.__annotations__ if f"`{name}`" not in usage] == []


@pytest.mark.parametrize("wire", WIRES)
def test_every_option_of_a_wire_is_in_its_readme(wire: str) -> None:
    readme = (ROOT / "packages" / f"ywire-{wire}" / "README.md").read_text()
    found = find_wire(wire)
    assert found.server is not None
    assert found.client is not None
    options = accepted_options(found.server).keys() | accepted_options(found.client).keys()
    common = ServerOptions.__annotations__.keys() | ClientOptions.__annotations__.keys()
    assert [name for name in sorted(options - common) if f"`{name}`" not in readme] == []


def _log_lines() -> list[tuple[str, str, str]]:
    """Return the logger, the level and the text of every line that the packages can log."""
    found = []
    for path in ROOT.glob("packages/*/src/**/*.py"):
        source = path.read_text()
        if (
            name := re.search(r'^logger = logging.getLogger\("(.*)"\)$', source, re.MULTILINE)
        ) is None:
            continue
        for node in ast.walk(ast.parse(source)):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("logger"), attr=method),
                    args=[ast.Constant(value=str(text)), *_],
                ):
                    level = {"exception": "error"}.get(method, method).upper()
                    text = re.sub("%[sd]", "…", text.replace("%r", "'x'"))
                    found.append((name[1], level, text))
    return found


def test_every_log_line_is_documented() -> None:
    operating = (ROOT / "docs" / "operating.md").read_text()
    lines = _log_lines()
    assert len(lines) > 10
    rows = [f"| `{logger}` | {level} | `{text}` |" for logger, level, text in lines]
    assert [row for row in rows if row not in operating] == []


def test_the_options_are_those_of_the_constructors() -> None:
    for base, options in (
        (ycore.ServerWire, ServerOptions),
        (ycore.ClientWire, ClientOptions),
    ):
        assert accepted_options(base).keys() == options.__annotations__.keys()


def _documented_limits() -> dict[str, list[float]]:
    """Return the numbers in the defaults of the table of limits: of bytes, seconds, or things."""
    protocol = (ROOT / "docs" / "protocol.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", protocol, re.MULTILINE)
    return {
        name: [
            float(number.replace(",", "")) * (MIB if unit else 1)
            for number, unit in re.findall(r"(\d[\d,]*)( MiB)?", default)
        ]
        for name, default in rows
    }


def _default_of(make: Any, option: str) -> float:
    default: float = signature(make).parameters[option].default
    return default


def test_every_limit_is_documented_with_its_default() -> None:
    limits = {name: [default] for name, default in vars(Limits()).items()}
    limits["max_connections"] = [_default_of(ycore.ServerWire, "max_connections")]
    for name in ("max_rooms", "max_clients"):
        limits[name] = [_default_of(Rooms, name)]
    limits["heartbeat"] = [
        _default_of(find_wire(wire).server, "heartbeat") for wire in ("websocket", "zmq")
    ]
    assert _documented_limits() == limits
