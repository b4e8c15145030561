"""Endpoints: where a zmq socket binds or connects to, such as `tcp://127.0.0.1:5555`."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from ipaddress import ip_address

from anyio import getaddrinfo

__all__ = ["check", "claim", "is_inproc", "needs_ipv6", "port_of", "release", "resolve", "tcp"]

MAX_PATH_SIZE = 107
"""How many bytes the path of a unix socket may have (`sun_path`)."""


def tcp(host: str, port: int) -> str:
    """Return the endpoint of a host and a port."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def check(endpoint: str) -> str:
    """Return the endpoint unchanged if a socket may be able to use it.

    Raises:
        ValueError: It is no endpoint; the message names it.
    """
    scheme, _, name = endpoint.partition("://")
    if scheme not in ("tcp", "ipc", "inproc"):
        raise ValueError(f"{endpoint!r} begins with none of tcp://, ipc:// and inproc://")
    if name in ("", "*") or "\0" in name:
        raise ValueError(f"{endpoint!r} is no endpoint")
    if scheme == "tcp":
        _split_tcp(endpoint)
    if scheme == "ipc" and len(name.encode()) > MAX_PATH_SIZE:
        raise ValueError(f"the path of {endpoint!r} is longer than {MAX_PATH_SIZE} bytes")
    return endpoint


def is_inproc(endpoint: str) -> bool:
    """Tell whether an endpoint is within this process."""
    return endpoint.startswith("inproc://")


def port_of(endpoint: str) -> int:
    """Return the tcp port of an endpoint, or 0 if it has none."""
    return _split_tcp(endpoint)[1] if endpoint.startswith("tcp://") else 0


def needs_ipv6(endpoint: str) -> bool:
    """Tell whether a socket must be allowed to use IPv6 for an endpoint."""
    if not endpoint.startswith("tcp://"):
        return False
    host, _ = _split_tcp(endpoint)
    # The wildcard is for both.
    return host == "*" or ":" in host


async def resolve(endpoint: str) -> list[str]:
    """Return the endpoints with addresses that an endpoint with a host name stands for.

    An IPv4 address comes before an IPv6 one, so that a server and a client that were given the
    same name meet at the first.

    Raises:
        OSError: The name has no address; the message names it.
    """
    if not endpoint.startswith("tcp://"):
        return [endpoint]
    host, port = _split_tcp(endpoint)
    if host == "*" or _is_address(host):
        return [tcp(host, port)]
    try:
        found = await getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        text = f"cannot resolve the host of {endpoint!r}: {exc.strerror}"
        raise OSError(exc.errno, text) from exc
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return [tcp(str(address[0]), port) for *_, address in found]


def claim(endpoint: str) -> None:
    """Make sure that binding to an ipc endpoint takes nothing from anybody.

    libzmq removes whatever is at the path, even the socket of a server that runs.

    Raises:
        OSError: A server listens there, or there is a file that is no socket.
    """
    path = _path_of(endpoint)
    if path is None or not os.path.exists(path):
        return
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        raise OSError(errno.EEXIST, f"cannot bind {endpoint!r}: the file is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        if probe.connect_ex(path) not in (errno.ECONNREFUSED, errno.ENOENT):
            raise OSError(errno.EADDRINUSE, f"cannot bind {endpoint!r}: a server listens there")


def release(endpoint: str) -> None:
    """Remove the file of an ipc endpoint, which libzmq leaves; only while still bound to it."""
    path = _path_of(endpoint)
    if path is not None:
        with suppress(FileNotFoundError):
            os.unlink(path)


def _path_of(endpoint: str) -> str | None:
    """Return the path of an ipc endpoint that is in the file system."""
    scheme, _, path = endpoint.partition("://")
    return None if scheme != "ipc" or path.startswith("@") else path


def _split_tcp(endpoint: str) -> tuple[str, int]:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if port == "*":
        port = "0"
    if not (host and port.isascii() and port.isdecimal() and int(port) <= 0xFFFF):
        raise ValueError(f"{endpoint!r} has no host, or no port between 0 and 65535")
    return host, int(port)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
