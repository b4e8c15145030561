"""Share CRDT documents over any wire.

`bind` makes a server and `connect` a client; each wire is a distribution of its own.
"""

from .channel import Channel
from .client import ClientOptions, ClientWire, Status
from .errors import (
    ConnectError,
    ConnectionRejectedError,
    ConnectTimeoutError,
    DocumentError,
    DuplicateWireError,
    LimitReachedError,
    MessageTooLargeError,
    ProtocolError,
    RoomLoadError,
    UnknownWireError,
    UnsentEditsError,
    WireError,
    WireLoadError,
    WireSideError,
    YWireError,
)
from .hookspecs import Wire, hookimpl
from .limits import Limits
from .room import Room
from .rooms import RoomFactory, Rooms
from .server import ServerOptions, ServerWire
from .wires import bind, connect, installed_wires, register, unregister

__all__ = [
    "Channel",
    "ClientOptions",
    "ClientWire",
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionRejectedError",
    "DocumentError",
    "DuplicateWireError",
    "LimitReachedError",
    "Limits",
    "MessageTooLargeError",
    "ProtocolError",
    "Room",
    "RoomFactory",
    "RoomLoadError",
    "Rooms",
    "ServerOptions",
    "ServerWire",
    "Status",
    "UnknownWireError",
    "UnsentEditsError",
    "Wire",
    "WireError",
    "WireLoadError",
    "WireSideError",
    "YWireError",
    "bind",
    "connect",
    "hookimpl",
    "installed_wires",
    "register",
    "unregister",
]
