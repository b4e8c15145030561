"""The URLs of the command line: `WIRE://HOST:PORT/PATH?OPTION=VALUE&…`, with all but WIRE optional.

The usual libraries know which schemes have a host, a path or a query; here every wire is equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from .failures import UsageError

__all__ = ["Url", "parse_url"]

HIGHEST_PORT = 0xFFFF

SECRET_WORDS = ("secret", "token")
"""Options with one of these in their names are not shown."""


@dataclass(frozen=True)
class Url:
    """A URL in its parts, percent-decoded; as a string it is a URL again, without secrets."""

    wire: str
    host: str | None = None
    port: int | None = None
    path: str = ""
    """Empty, or begins with a slash."""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def room(self) -> str:
        """The id of the room that the path names."""
        return self.path.removeprefix("/")

    def __str__(self) -> str:
        host = quote(self.host or "", safe=":*")
        if ":" in host:
            host = f"[{host}]"
        port = "" if self.port is None else f":{self.port}"
        query = "&".join(f"{quote(k)}={_shown(k, v)}" for k, v in self.options.items())
        return f"{self.wire}://{host}{port}{quote(self.path)}{query and '?'}{query}"


def _shown(name: str, value: str) -> str:
    """Return the value of an option for people to read, who may read over somebody's shoulder."""
    return "***" if any(word in name for word in SECRET_WORDS) else quote(value, safe="/:")


def parse_url(text: str) -> Url:
    """Take a URL apart.

    Args:
        text: The URL.

    Raises:
        UsageError: It is none; the message quotes it.
    """
    wire, separator, rest = text.partition("://")
    if not (wire and separator) or "/" in wire:
        raise UsageError(f"{text!r} is no URL: write WIRE://HOST:PORT/PATH?OPTION=VALUE")
    if "#" in rest:
        raise UsageError(f"{text!r} has a fragment: write %23 for a # that belongs to the rest")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    try:
        host, port = _parse_authority(authority)
        return Url(wire, host, port, _decode(slash + path), _parse_query(query))
    except ValueError as exc:
        raise UsageError(f"{text!r} is no URL: {exc}") from None


def _parse_authority(text: str) -> tuple[str | None, int | None]:
    if "@" in text:
        raise ValueError("no wire takes a user name before the host")
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not (host and bracket):
            raise ValueError("the [ has no ]")
        if port and not port.startswith(":"):
            raise ValueError("after the ] only :PORT may follow")
        return _decode(host), _parse_port(port[1:]) if port else None
    host, colon, port = text.partition(":")
    if ":" in port:
        raise ValueError("write an IPv6 address in brackets, such as [::1]:8000")
    return _decode(host) or None, _parse_port(port) if colon else None


def _parse_port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) <= HIGHEST_PORT):
        raise ValueError(f"{text!r} is no port between 0 and {HIGHEST_PORT}")
    return int(text)


def _parse_query(text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, equals, value = part.partition("=")
        name = _decode(name)
        if not (name and equals):
            raise ValueError(f"write an option as NAME=VALUE, not {part!r}")
        if name in options:
            raise ValueError(f"the option {name!r} is given twice")
        options[name] = _decode(value)
    return options


def _decode(text: str) -> str:
    return unquote(text, errors="strict")
