"""Building the page, if that has not been done since its sources changed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["BuildError", "built_page"]

FOLDER = Path(__file__).parent


class BuildError(Exception):
    """The page cannot be built."""


def built_page(folder: Path | None = None) -> Path:
    """Return the folder of the built page, after building it if needed.

    Raises:
        BuildError: Node.js is not installed, or npm failed.
    """
    folder = folder or FOLDER
    page = folder / "dist"
    packages = [folder / "package.json", folder / "package-lock.json"]
    sources = [folder / "index.html", folder / "vite.config.js", *(folder / "page").iterdir()]
    if _is_older(page / "index.html", [*packages, *sources]):
        print("building the page", file=sys.stderr)
        # npm writes the file when it has installed everything.
        if _is_older(folder / "node_modules" / ".package-lock.json", packages):
            _npm(folder, "ci")
        _npm(folder, "run", "build")
    return page


def _is_older(product: Path, sources: Iterable[Path]) -> bool:
    if not product.exists():
        return True
    made = product.stat().st_mtime
    return any(source.stat().st_mtime > made for source in sources)


def _npm(folder: Path, *arguments: str) -> None:
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise BuildError(f"{program} is not installed: the page is built with Node.js and npm")
    command = " ".join(("npm", *arguments))
    done = subprocess.run(
        [str(shutil.which("npm")), *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        print(done.stdout, file=sys.stderr)
        raise BuildError(f"the page cannot be built: {command!r} failed ({done.returncode})")
