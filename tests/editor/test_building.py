"""Building the page, with an npm that only pretends."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from examples.editor import building
from examples.editor.__main__ import main
from examples.editor.building import BuildError, built_page

FakeNpm = Callable[[str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An example of the same form, whose page is not built."""
    folder = tmp_path / "editor"
    (folder / "page").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "index.html", "vite.config.js", "page/a.js"):
        (folder / name).touch()
        os.utime(folder / name, (1, 1))
    return folder


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder where programs are found."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


@pytest.fixture
def fake_npm(programs: Path) -> FakeNpm:
    """Make an npm of a line of shell."""

    def make(script: str) -> None:
        for name in ("node", "npm"):
            (programs / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
            (programs / name).chmod(0o755)

    return make


@pytest.fixture
def log(tmp_path: Path, fake_npm: FakeNpm) -> Path:
    """What an npm was asked for that makes what a real one would."""
    log = tmp_path / "log"
    log.touch()
    fake_npm(
        f"""
        echo "$@" >> {shlex.quote(str(log))}
        case $1 in
            ci) mkdir -p node_modules; touch node_modules/.package-lock.json ;;
            run) mkdir -p dist; touch dist/index.html ;;
        esac
        """
    )
    return log


def commands(log: Path) -> list[str]:
    commands = log.read_text().splitlines()
    log.write_text("")
    return commands


def test_it_is_built_once(folder: Path, log: Path) -> None:
    assert built_page(folder) == folder / "dist"
    assert commands(log) == ["ci", "run build"]
    assert built_page(folder) == folder / "dist"
    assert commands(log) == []


@pytest.mark.parametrize("source", ["index.html", "vite.config.js", "page/a.js"])
def test_it_is_built_again_when_a_source_has_changed(folder: Path, log: Path, source: str) -> None:
    built_page(folder)
    commands(log)
    make_newer(folder / source, folder / "dist" / "index.html")
    built_page(folder)
    assert commands(log) == ["run build"]


@pytest.mark.parametrize("source", ["package.json", "package-lock.json"])
def test_packages_are_installed_again_when_others_are_asked_for(
    folder: Path, log: Path, source: str
) -> None:
    built_page(folder)
    commands(log)
    make_newer(folder / source, folder / "dist" / "index.html")
    built_page(folder)
    assert commands(log) == ["ci", "run build"]


def make_newer(file: Path, than: Path) -> None:
    time = than.stat().st_mtime + 1
    os.utime(file, (time, time))


@pytest.mark.parametrize("missing", ["node", "npm"])
def test_a_missing_program_is_named(
    folder: Path, programs: Path, fake_npm: FakeNpm, missing: str
) -> None:
    fake_npm("exit 0")
    (programs / missing).unlink()
    with pytest.raises(BuildError, match=rf"^{missing} is not installed"):
        built_page(folder)


def test_why_npm_failed_is_shown(
    folder: Path, fake_npm: FakeNpm, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_npm('echo "this is why" >&2; exit 7')
    with pytest.raises(BuildError, match=r"'npm ci' failed \(7\)"):
        built_page(folder)
    assert "this is why\n" in capsys.readouterr().err


def test_the_command_ends_with_one_line(
    folder: Path,
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(building, "FOLDER", folder)
    assert main([]) == 1
    announcement, error = capsys.readouterr().err.splitlines()
    assert announcement == "building the page"
    assert error.startswith("error: node is not installed")
