"""The arguments of the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from .failures import OutputClosed, UsageError
from .options import convert_option
from .output import emit

__all__ = ["parse_arguments"]

DESCRIPTION = "Share CRDT documents over any wire: serve rooms, look into them, write to them."

URLS = """\
A URL is WIRE://HOST:PORT/PATH?OPTION=VALUE, and all but WIRE may be left out. The options are
those of the wire. Quote a URL with ? or & in a shell. `ycore wires` lists the wires there are.
"""


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what the user asks for.

    Args:
        arguments: Those after the program's name; None for those of this process.

    Raises:
        UsageError: It makes no sense.
        SystemExit: The user asked for help or the version, and has it.
        OutputClosed: ... and does not read it.
    """
    parser = _Parser(prog="ycore", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"ycore {version('ycore')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (_add_serve, _add_wires, _add_cat, _add_watch, _add_edit):
        add(commands)
    try:
        return parser.parse_args(arguments)
    except BrokenPipeError:
        # argparse swallows this itself in later versions of Python 3.11.
        emit("")
        raise OutputClosed from None


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and survives that nobody reads its help."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        emit("")
        super().exit(status, message)


def _add_serve(commands: Any) -> None:
    parser = _add(commands, "serve", "serve one set of rooms on one or several wires")
    parser.add_argument("urls", metavar="URL", nargs="+", help="where: WIRE://HOST:PORT?OPTION=...")
    parser.add_argument(
        "--linger",
        metavar="SECONDS",
        type=_seconds,
        default=3600.0,
        help="how long a room is kept after its last client has left, before it is forgotten; "
        "inf for as long as the server runs; default: %(default)s",
    )
    parser.add_argument(
        "--max-rooms", metavar="N", type=int, default=100_000, help="default: %(default)s"
    )
    parser.add_argument(
        "--max-clients",
        metavar="N",
        type=int,
        default=10_000,
        help="per room; default: %(default)s",
    )


def _add_wires(commands: Any) -> None:
    _add(commands, "wires", "list the wires that are installed, and who provides each", epilog=None)


def _add_cat(commands: Any) -> None:
    _add_room(_add(commands, "cat", "print the content of a room as JSON"))


def _add_watch(commands: Any) -> None:
    _add_room(
        _add(commands, "watch", "print the content of a room as a line of JSON, at each change")
    )


def _add_edit(commands: Any) -> None:
    parser = _add(commands, "edit", "append standard input to a text of a room")
    _add_room(parser)
    parser.add_argument(
        "--text", metavar="NAME", required=True, help="the text's name in the document"
    )


def _add(
    commands: Any, name: str, purpose: str, epilog: str | None = URLS
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=purpose, description=f"{purpose[0].upper()}{purpose[1:]}.", epilog=epilog
    )
    parser.add_argument(
        "-v", "--verbose", action="count", default=0, help="log more; twice: and tracebacks"
    )
    parser.add_argument("-q", "--quiet", action="count", default=0, help="log less")
    return parser


def _add_room(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL", help="which room: WIRE://HOST:PORT/ROOM?OPTION=...")


def _seconds(text: str) -> float:
    try:
        seconds: float = convert_option("", text, float)
    except UsageError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    return seconds
