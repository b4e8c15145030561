"""Standard output and standard error: whoever reads them may be slow, or gone."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from contextlib import suppress

from anyio import sleep_forever, wait_readable, wait_writable

from .failures import CommandError, OutputClosed, describe

__all__ = ["complain", "emit", "emit_slowly", "until_reader_leaves"]


def emit(text: str) -> None:
    """Write to standard output at once, as UTF-8.

    Args:
        text: What to write.

    Raises:
        OutputClosed: Its reader has gone away.
        CommandError: It cannot be written.
    """
    stream = sys.stdout
    if stream is None:
        # The program was started without standard output: `print` writes nothing either.
        return
    try:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard_the_rest()
        raise OutputClosed from None
    except OSError as exc:
        _discard_the_rest()
        raise CommandError(f"cannot write to standard output: {describe(exc)}") from exc


async def emit_slowly(text: str) -> None:
    """Write to standard output; while its reader is busy, other tasks go on.

    Args:
        text: What to write.

    Raises:
        OutputClosed: Its reader has gone away.
        CommandError: It cannot be written.
    """
    pipe = _pipe()
    if pipe is None:
        emit(text)
        return
    rest = memoryview(text.encode())
    try:
        while rest:
            await wait_writable(pipe)
            # A pipe that takes anything takes so much without blocking.
            rest = rest[os.write(pipe, rest[: select.PIPE_BUF]) :]
    except BrokenPipeError:
        raise OutputClosed from None


async def until_reader_leaves() -> None:
    """Wait until nobody can read standard output any more, which may be for ever.

    Raises:
        OutputClosed: Its reader has gone away.
    """
    pipe = _pipe()
    if pipe is not None:
        # Its writing end has nothing to read but the news that the reading end is closed.
        await wait_readable(pipe)
        raise OutputClosed
    await sleep_forever()


def complain(text: str) -> None:
    """Write one line to standard error, if that is possible.

    Args:
        text: What to write; characters that are no letters are escaped.
    """
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"ycore: {line}\n")
        sys.stderr.flush()


def _pipe() -> int | None:
    """Return the descriptor of standard output if it is a pipe."""
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, AttributeError):
        return None
    return descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None


def _discard_the_rest() -> None:
    """Keep the interpreter from trying to write, at its end, what could not be written."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
