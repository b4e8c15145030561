"""Serve a text that people in browsers and programs in Python write together."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

import anyio

from .building import BuildError, built_page
from .serving import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parse(arguments)
    run = partial(serve, with_guest=options.guest)
    try:
        anyio.run(run, built_page(), options.host, options.port, options.zmq_port)
    except KeyboardInterrupt:
        return 130
    except OSError as exc:
        print(f"error: {exc.strerror or exc}", file=sys.stderr)
        return 1
    except BuildError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.editor", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument(
        "--port", type=port_number, default=8080, help="the page's port (8080); 0 picks one"
    )
    parser.add_argument(
        "--zmq-port", type=port_number, default=0, help="the port for zmq; picked by default"
    )
    parser.add_argument(
        "--no-guest", dest="guest", action="store_false", help="let no program write"
    )
    return parser.parse_args(arguments)


def port_number(argument: str) -> int:
    port = int(argument)
    if not 0 <= port <= 65535:
        raise ValueError(argument)
    return port


if __name__ == "__main__":
    sys.exit(main())
