"""All servers there are: those of others and ours by websocket, and ours on its other wires."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.load.channel_client import ChannelLine
from benchmarks.load.crowd import Target
from benchmarks.load.processes import Group
from benchmarks.load.websocket_client import WebsocketLine
from benchmarks.peers import PEERS, Peer
from benchmarks.peers.dialects import Yjs
from benchmarks.peers.running import Running, running
from benchmarks.peers.runtimes import Here
from ycore import bind

__all__ = ["MEMORY", "WIRES", "install", "reach", "serving"]

ZMQ, MEMORY = "ywire-zmq", "ywire-memory"

WIRES = (ZMQ, MEMORY)
"""Our other wires: their clients are channels."""


@dataclass(frozen=True)
class _Here(Here):
    """A program of this package instead of one of the peers'."""

    def command(self) -> list[str]:
        """See `Runtime`."""
        return [sys.executable, "-m", f"benchmarks.load.{self.program}"]


_ZMQ = Peer(ZMQ, Yjs(), _Here("zmq_server", "ywire-zmq"))


def install(server: str) -> None:
    """Install a server, unless it is there.

    Raises:
        InstallError: That could not be done.
    """
    if server in PEERS:
        PEERS[server].install()


@asynccontextmanager
async def serving(server: str) -> AsyncIterator[Running | None]:
    """Run a server; the memory wire's runs where its clients are, so there is none.

    Raises:
        PeerError: It did not start in time, or has died before the block was left.
    """
    if server == MEMORY:
        yield None
        return
    async with running(_ZMQ if server == ZMQ else PEERS[server]) as process:
        yield process


@asynccontextmanager
async def reach(server: str, process: Running | None) -> AsyncIterator[Target]:
    """Return how to get to a server from this process, in which one may have to be started."""
    if process is None:
        async with bind("memory"):
            yield Target(ChannelLine("memory"), Group((os.getpid(),)))
        return
    group = Group.of(process.pid)
    if server == ZMQ:
        yield Target(ChannelLine("zmq", host="127.0.0.1", port=process.port), group)
    else:
        yield Target(WebsocketLine(PEERS[server].dialect, process.port), group)
