"""Where the programs of peers come from, and how they are started.

To pin anew: `uv pip compile --universal --no-header --no-annotate` makes a file in requirements/,
`npm install` in a folder of programs/ its lock file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Protocol

__all__ = ["Here", "InstallError", "Npm", "Runtime", "Venv"]

SOURCES = Path(__file__).parent
ROOT = SOURCES.parents[1]
INSTALLED = SOURCES.parent / ".peers"
STAMP = ".installed"
PATIENCE = 600
"""How long one step of an installation may take, in seconds."""


class InstallError(Exception):
    """A peer could not be installed."""


class Runtime(Protocol):
    """What a program needs around it."""

    @property
    def version(self) -> str:
        """The version of what is to be measured."""

    def install(self) -> None:
        """Make it ready to be started, unless it is.

        Raises:
            InstallError: That could not be done.
        """

    def command(self) -> list[str]:
        """Return how the program is started; the port comes after that."""

    def environment(self) -> dict[str, str]:
        """Return the variables to start it with."""


@dataclass(frozen=True)
class Here:
    """The environment that this runs in."""

    program: str
    """The name of a module in programs/."""

    distribution: str
    """Whose version counts."""

    @property
    def version(self) -> str:
        """See `Runtime`."""
        return metadata.version(self.distribution)

    def install(self) -> None:
        """See `Runtime`."""

    def command(self) -> list[str]:
        """See `Runtime`."""
        return _start(sys.executable, self.program)

    def environment(self) -> dict[str, str]:
        """See `Runtime`."""
        return {"PYTHONPATH": str(ROOT)}


@dataclass(frozen=True)
class Venv:
    """A Python environment of its own, made by uv if that is there, else by pip."""

    name: str
    """The distribution whose version counts; names the file in requirements/."""

    program: str
    """The name of a module in programs/."""

    @property
    def version(self) -> str:
        """See `Runtime`."""
        for line in self._requirements.read_text().splitlines():
            name, _, version = line.partition("==")
            if name == self.name:
                return version
        raise LookupError(f"{self._requirements} does not pin {self.name}")

    def install(self) -> None:
        """See `Runtime`."""
        wanted = f"{sys.version}\n{self._requirements.read_text()}"
        if _is_installed(self._folder, wanted):
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        folder, requirements = str(self._folder), str(self._requirements)
        if shutil.which("uv"):
            _run("uv", "venv", "--python", sys.executable, folder)
            _run("uv", "pip", "install", "--python", self._python, "-r", requirements)
        else:
            _run(sys.executable, "-m", "venv", folder)
            _run(self._python, "-m", "pip", "install", "-r", requirements)
        (self._folder / STAMP).write_text(wanted)

    def command(self) -> list[str]:
        """See `Runtime`."""
        return _start(self._python, self.program)

    def environment(self) -> dict[str, str]:
        """See `Runtime`."""
        return {"PYTHONPATH": str(ROOT)}

    @property
    def _folder(self) -> Path:
        return INSTALLED / self.name

    @property
    def _python(self) -> str:
        return str(self._folder / "bin" / "python")

    @property
    def _requirements(self) -> Path:
        return SOURCES / "requirements" / f"{self.name}.txt"


@dataclass(frozen=True)
class Npm:
    """A folder with packages of npm."""

    name: str
    """Names the folder in programs/, which has a server.mjs."""

    package: str
    """Whose version counts."""

    @property
    def version(self) -> str:
        """See `Runtime`."""
        manifest = json.loads((self._source / "package.json").read_text())
        return str(manifest["dependencies"][self.package])

    def install(self) -> None:
        """See `Runtime`."""
        shutil.copytree(self._source, self._folder, dirs_exist_ok=True)
        wanted = (self._source / "package-lock.json").read_text()
        if not _is_installed(self._folder, wanted):
            _run("npm", "ci", "--no-audit", "--no-fund", "--prefix", str(self._folder))
            (self._folder / STAMP).write_text(wanted)

    def command(self) -> list[str]:
        """See `Runtime`."""
        return ["node", str(self._folder / "server.mjs")]

    def environment(self) -> dict[str, str]:
        """See `Runtime`."""
        return {"NODE_ENV": "production"}

    @property
    def _source(self) -> Path:
        return SOURCES / "programs" / self.name

    @property
    def _folder(self) -> Path:
        return INSTALLED / self.name


def _start(python: str, program: str) -> list[str]:
    return [python, "-m", f"benchmarks.peers.programs.{program}"]


def _is_installed(folder: Path, wanted: str) -> bool:
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_text() == wanted


def _run(*command: str) -> None:
    done = _try(command)
    if done.returncode:
        output = f"{done.stdout}{done.stderr}".strip()
        raise InstallError(f"{' '.join(command)} failed:\n{output}")


def _try(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except FileNotFoundError:
        raise InstallError(f"{command[0]} is not installed, or not on the PATH") from None
    except subprocess.TimeoutExpired:
        raise InstallError(f"{' '.join(command)} did not end in {PATIENCE} s") from None
