"""From a URL to the server or the client of a wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ycore.client import ClientWire
from ycore.errors import UnknownWireError
from ycore.rooms import Rooms
from ycore.server import ServerWire
from ycore.wires import accepted_options, bind, connect, find_wire

from .failures import UsageError
from .options import convert_option, is_convertible
from .urls import Url

__all__ = ["client_of", "server_of"]

RESERVED = {
    "server": {"rooms", "room_factory", "linger", "max_clients", "max_rooms"},
    "client": {"id", "doc", "auto_push", "auto_pull"},
}
"""What the commands decide themselves."""

T = TypeVar("T")


def server_of(url: Url, rooms: Rooms) -> ServerWire:
    """Make the server that a URL describes; its path is the wire's option `path`.

    Args:
        url: Where to serve.
        rooms: What to serve.

    Raises:
        UsageError: The URL makes no sense for its wire.
        WireError: The wire cannot be used.
    """
    given = _given(url)
    if url.path.strip("/"):
        given = _with_part(given, "path", url.path, url)
    options = _converted(url, "server", given)
    return _made(url, lambda: bind(url.wire, rooms=rooms, **options))


def client_of(url: Url, **defaults: Any) -> ClientWire:
    """Make the client that a URL describes; its path is the room's id.

    Args:
        url: The server and the room.
        defaults: Options for all wires that the URL may change.

    Raises:
        UsageError: The URL makes no sense for its wire.
        WireError: The wire cannot be used.
    """
    options = defaults | _converted(url, "client", _given(url))
    return _made(url, lambda: connect(url.wire, id=url.room, **options))


def _given(url: Url) -> dict[str, str]:
    """Return the options that a URL gives, those outside its query included."""
    given = dict(url.options)
    if url.host is not None:
        given = _with_part(given, "host", url.host, url)
    if url.port is not None:
        given = _with_part(given, "port", str(url.port), url)
    return given


def _with_part(given: Mapping[str, str], name: str, value: str, url: Url) -> dict[str, str]:
    if name in given:
        raise UsageError(f"{url}: the {name} is given twice")
    return {**given, name: value}


def _converted(url: Url, side: str, given: Mapping[str, str]) -> dict[str, Any]:
    types = _types(url, side)
    for name in given:
        if name in RESERVED[side]:
            raise UsageError(f"{url}: the option {name!r} cannot be given on the command line")
        if name not in types:
            raise UsageError(f"{url}: {_not_taken(url, side, name, types)}")
    try:
        return {name: convert_option(name, text, types[name]) for name, text in given.items()}
    except UsageError as exc:
        raise UsageError(f"{url}: {exc}") from None


def _types(url: Url, side: str) -> dict[str, Any]:
    try:
        make = getattr(find_wire(url.wire), side)
    except UnknownWireError as exc:
        raise UsageError(str(exc)) from exc
    if make is None:
        raise UsageError(f"the wire {url.wire!r} has no {side} side")
    return accepted_options(make)


def _not_taken(url: Url, side: str, name: str, types: Mapping[str, Any]) -> str:
    offered = sorted(o for o in types.keys() - RESERVED[side] if is_convertible(types[o]))
    message = f"the {side} of the wire {url.wire!r} takes no option {name!r}"
    message += f"; it takes: {', '.join(offered)}"
    if name == "host" and name not in url.options:
        # The usual slip: two slashes where the wire has no host.
        message += f"; for a room write {url.wire}:///ROOM"
    return message


def _made(url: Url, make: Callable[[], T]) -> T:
    try:
        return make()
    except (TypeError, ValueError) as exc:
        # A required option is missing, or the options make no sense together.
        raise UsageError(f"{url}: {exc}") from exc
