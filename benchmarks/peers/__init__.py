"""Servers to compare, each with its program, its packages, and how it is talked to.

Their programs import this package in environments of their own: it needs nothing but Python.
"""

from __future__ import annotations

from dataclasses import dataclass

from .dialects import CLIENT_ID_BITS, Dialect, Hocuspocus, Yjs, Yroom
from .runtimes import Here, InstallError, Npm, Runtime, Venv

__all__ = ["CLIENT_ID_BITS", "PEERS", "Dialect", "InstallError", "Peer"]


@dataclass(frozen=True)
class Peer:
    """A server that rooms can be had from."""

    name: str
    dialect: Dialect
    runtime: Runtime

    @property
    def version(self) -> str:
        """The pinned version; of the relay: that of aiohttp."""
        return self.runtime.version

    def install(self) -> None:
        """Install it into benchmarks/.peers/, unless it is there; takes a while, prints nothing.

        Raises:
            InstallError: That could not be done.
        """
        self.runtime.install()

    def command(self, port: int) -> list[str]:
        """Return how it is started, to listen on a port of 127.0.0.1.

        It prints the line "ready" once it listens, and ends when its standard input does: so it
        does not outlive who has started it.
        """
        return [*self.runtime.command(), str(port)]

    def environment(self) -> dict[str, str]:
        """Return the variables to start it with, besides those that are set."""
        return self.runtime.environment()


PEERS: dict[str, Peer] = {
    peer.name: peer
    for peer in [
        Peer("ywire", Yjs(), Here("ywire", "ywire-websocket")),
        Peer("hocuspocus", Hocuspocus(), Npm("hocuspocus", "@hocuspocus/server")),
        Peer("y-websocket-server", Yjs(), Npm("y-websocket-server", "@y/websocket-server")),
        Peer("pycrdt-websocket", Yjs(), Venv("pycrdt-websocket", "pycrdt_websocket")),
        Peer("wiredb", Yjs(), Venv("wiredb", "wiredb")),
        Peer("yroom", Yroom(), Venv("yroom", "yroom")),
        Peer("relay", Yjs(), Here("relay", "aiohttp")),
    ]
}
"""All peers, by their names."""
