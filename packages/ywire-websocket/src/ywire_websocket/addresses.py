"""Room ids in URLs, and sockets for a host name."""

from __future__ import annotations

import errno
import os
import re
import socket
from urllib.parse import quote

__all__ = ["bind_sockets", "check_path", "room_below", "room_to_path"]

ATTEMPTS = 10
"""So often a free port is sought that is free on all addresses of a host."""


def room_to_path(prefix: str, room: str) -> str:
    """Return the URL path of a room, below a prefix.

    Every character that means something in a path is encoded, so any id is one segment.
    """
    # Dots alone would be resolved like those of a directory.
    segment = room.replace(".", "%2E") if room in (".", "..") else quote(room, safe="")
    return f"{prefix.rstrip('/')}/{segment}"


def check_path(path: str) -> str:
    """Return a path, if rooms can be below it.

    Raises:
        ValueError: They cannot.
    """
    if not re.fullmatch(r"/[\w.~!$&'()*+,;=:@/-]*", path, re.ASCII):
        raise ValueError(
            f"path must start with a slash and need no encoding, such as /rooms, not {path!r}"
        )
    return path


def room_below(prefix: str, path: str) -> str | None:
    """Return the room that a decoded path below a prefix names, or None if it is not below it."""
    prefix = prefix.rstrip("/")
    if path == prefix:
        return ""
    return path[len(prefix) + 1 :] if path.startswith(f"{prefix}/") else None


def bind_sockets(host: str, port: int) -> list[socket.socket]:
    """Return bound sockets for all addresses of a host, on one port.

    Args:
        host: A name or an address.
        port: The port; 0 picks one that is free on every address.

    Raises:
        OSError: The name is unknown, or the port cannot be used.
    """
    for attempt in range(1, ATTEMPTS + 1):
        sockets: list[socket.socket] = []
        try:
            for family, address in _resolve(host, port):
                chosen = sockets[0].getsockname()[1] if sockets else port
                sockets.append(_bind_socket(family, (address[0], chosen, *address[2:])))
        except OSError as exc:
            for sock in sockets:
                sock.close()
            if port or exc.errno != errno.EADDRINUSE or attempt == ATTEMPTS:
                raise
        else:
            break
    return sockets


def _resolve(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bind_socket(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(1024)
    except OSError as exc:
        sock.close()
        code = exc.errno or 0
        raise OSError(
            code, f"cannot listen on {address[0]}:{address[1]}: {os.strerror(code)}"
        ) from exc
    return sock
