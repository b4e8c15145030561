"""The ZeroMQ wire of ycore: documents shared over tcp, ipc and inproc."""

from __future__ import annotations

from ycore import Wire, hookimpl

from .client import ZmqClient
from .curve import KeyPair
from .server import ZmqServer

__all__ = ["KeyPair", "ZmqClient", "ZmqServer"]


@hookimpl
def ycore_wires() -> list[Wire]:
    """Offer the wire under the name zmq."""
    return [Wire(name="zmq", server=ZmqServer, client=ZmqClient)]
