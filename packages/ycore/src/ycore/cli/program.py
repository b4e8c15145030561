"""The command line from its arguments to its exit code."""

from __future__ import annotations

import logging
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Sequence

import anyio

from ycore.errors import YWireError
from ycore.rooms import Rooms
from ycore.wires import installed_wires

from .arguments import parse_arguments
from .endpoints import client_of
from .failures import CommandError, OutputClosed, UsageError, describe, leaves
from .logs import log_level, logging_to_stderr
from .output import complain, emit
from .serving import serve
from .sharing import edit, read, watch
from .urls import parse_url

__all__ = ["main"]

SUCCESS, FAILURE, MISUSE, INTERRUPTED = 0, 1, 2, 130

EXPECTED = (YWireError, CommandError, OSError)
"""What may go wrong without anybody's having made a mistake in a program."""

TRACEBACKS = 2
"""The verbosity from which on a failure shows its traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: Those after the program's name; None for those of this process.

    Returns:
        The exit code.
    """
    try:
        asked = parse_arguments(arguments)
    except (CommandError, OutputClosed) as exc:
        return _report(exc)
    verbosity = asked.verbose - asked.quiet
    normal = logging.INFO if asked.command == "serve" else logging.WARNING
    others = logging.DEBUG if verbosity >= TRACEBACKS else logging.WARNING
    with logging_to_stderr(log_level(normal, verbosity), others=others):
        return _run(asked, show_traceback=verbosity >= TRACEBACKS)


def _run(asked: Namespace, *, show_traceback: bool) -> int:
    try:
        COMMANDS[asked.command](asked)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as exc:  # noqa: BLE001 - a person wants a line, and can ask for more
        return _report(exc, show_traceback=show_traceback)
    return SUCCESS


def _report(error: Exception, *, show_traceback: bool = False) -> int:
    causes = list(leaves(error))
    if all(isinstance(cause, OutputClosed) for cause in causes):
        return SUCCESS
    if show_traceback:
        traceback.print_exception(error, file=sys.stderr)
    message = "; ".join(dict.fromkeys(map(_in_words, causes)))
    complain(f"error: {message}")
    return MISUSE if isinstance(error, UsageError) else FAILURE


def _in_words(error: BaseException) -> str:
    if isinstance(error, EXPECTED):
        return describe(error)
    return f"unexpected {type(error).__name__}: {error} (-vv shows where it comes from)"


def _serve(asked: Namespace) -> None:
    urls = [parse_url(url) for url in asked.urls]
    try:
        rooms = Rooms(linger=asked.linger, max_rooms=asked.max_rooms, max_clients=asked.max_clients)
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    anyio.run(serve, urls, rooms)


def _wires(asked: Namespace) -> None:
    wires = installed_wires()
    if not wires:
        complain("no wire is installed; install one: pip install ywire-websocket")
    width = max(map(len, wires), default=0)
    for name, provider in wires.items():
        emit(f"{name:<{width}}  {provider}\n")


def _cat(asked: Namespace) -> None:
    client = client_of(parse_url(asked.url), reconnect=False)
    emit(anyio.run(read, client))


def _watch(asked: Namespace) -> None:
    # When it leaves there is nothing of its own to send: no reason to wait.
    anyio.run(watch, client_of(parse_url(asked.url), close_timeout=1.0))


def _edit(asked: Namespace) -> None:
    client = client_of(parse_url(asked.url), reconnect=False)
    anyio.run(edit, client, asked.text, _read_stdin())


def _read_stdin() -> str:
    if sys.stdin is None:
        raise CommandError("there is no standard input")
    try:
        return sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as exc:
        raise CommandError(f"standard input is no UTF-8: {exc}") from exc


COMMANDS: dict[str, Callable[[Namespace], None]] = {
    "serve": _serve,
    "wires": _wires,
    "cat": _cat,
    "watch": _watch,
    "edit": _edit,
}
