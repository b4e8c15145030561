"""How failures come out, and what the output can do where no command shows it."""

from __future__ import annotations

import os
import sys
from typing import Any

import anyio
import pytest

from ycore.cli import main, program
from ycore.cli.failures import CommandError, OutputClosed, UsageError
from ycore.cli.output import emit_slowly

Capture = pytest.CaptureFixture[str]


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(asked: Any) -> None:
        raise error

    monkeypatch.setitem(program.COMMANDS, "wires", fail)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(5, "the disk is gone"), 1, "ycore: error: the disk is gone\n"),
        (ConnectionError("no way"), 1, "ycore: error: no way\n"),
        (TimeoutError(), 1, "ycore: error: TimeoutError\n"),
        (UsageError("what?"), 2, "ycore: error: what?\n"),
        (OutputClosed(), 0, ""),
        (KeyboardInterrupt(), 130, ""),
        (ExceptionGroup("all", [OutputClosed(), OutputClosed()]), 0, ""),
        (
            ExceptionGroup("", [CommandError("one"), ExceptionGroup("", [CommandError("two")])]),
            1,
            "ycore: error: one; two\n",
        ),
        (
            ExceptionGroup("", [CommandError("same"), CommandError("same")]),
            1,
            "ycore: error: same\n",
        ),
        (
            KeyError("x"),
            1,
            "ycore: error: unexpected KeyError: 'x' (-vv shows where it comes from)\n",
        ),
    ],
)
def test_how_failures_come_out(
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    failing(monkeypatch, error)
    assert main(["wires"]) == code
    assert capsys.readouterr().err == message


def test_writing_where_there_is_nothing_to_wait_for(capsys: Capture) -> None:
    anyio.run(emit_slowly, "text\n")
    assert capsys.readouterr().out == "text\n"


def test_writing_to_a_reader_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with pytest.raises(OutputClosed):
            anyio.run(emit_slowly, "text\n")
