"""Which module of ycore may import which: a file can be read with only those below in mind."""

import ast
from pathlib import Path

import pytest

import ycore

PACKAGE = Path(ycore.__file__).parent

LAYERS = [
    {"codes"},
    {"access", "errors", "limits", "stats", "status", "tasks", "throttle"},
    {"channel", "lib0"},
    {"admission", "extent", "panics", "protocol", "values"},
    {"deletions", "items", "keystrokes", "received"},
    {"updates"},
    {"gaps"},
    {"losses", "presence", "replica"},
    {"outbox"},
    {"session"},
    {"member", "uplink"},
    {"room", "link"},
    {"rooms", "client"},
    {"server"},
    {"hookspecs"},
    {"wires"},
    {"__init__"},
    {"cli", "testing"},
    {"__main__"},
]

OUTSIDE = {"aiohttp", "zmq", "ywire_memory", "ywire_websocket", "ywire_zmq"}


def _imports(path: Path) -> set[str]:
    """Return what a module imports when it runs, not for its type checker."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    body = [n for n in tree.body if not (isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n))]
    for node in ast.walk(ast.Module(body, [])):
        if isinstance(node, ast.ImportFrom):
            package, _, module = (node.module or "").partition(".")
            if node.level == 1 and path.parent == PACKAGE:
                found |= {package} if package else {alias.name for alias in node.names}
            elif package == "ycore":
                found |= {module} if module else {alias.name for alias in node.names}
            elif node.level == 0:
                found.add(package)
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))


def _layer(module: str) -> int:
    (found,) = [number for number, layer in enumerate(LAYERS) if module in layer]
    return found


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    ours = {layer_module for layer in LAYERS for layer_module in layer}
    level = _layer(_name(path))
    for module in _imports(path) & ours - {_name(path)}:
        assert _layer(module) < level, f"{_name(path)} must not import {module}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_core_imports_no_wire(path: Path) -> None:
    assert not _imports(path) & OUTSIDE
