"""Share CRDT documents over any wire.

`bind` makes a server and `connect` a client; each wire is a distribution of its own.
"""

from .access import Access, AccessRequest, Authorize, Credentials
from .admission import Admission
from .channel import Channel
from .client import ClientOptions, ClientWire, Token
from .errors import (
    AccessDeniedError,
    ConnectError,
    ConnectionRejectedError,
    ConnectTimeoutError,
    DocumentError,
    DuplicateWireError,
    LimitReachedError,
    MessageTooLargeError,
    ProtocolError,
    ReadOnlyError,
    RefusedError,
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
from .stats import ServerStats
from .status import Status, StatusChanges
from .wires import bind, connect, installed_wires, register, unregister

__all__ = [
    "Access",
    "AccessDeniedError",
    "AccessRequest",
    "Admission",
    "Authorize",
    "Channel",
    "ClientOptions",
    "ClientWire",
    "ConnectError",
    "ConnectTimeoutError",
    "ConnectionRejectedError",
    "Credentials",
    "DocumentError",
    "DuplicateWireError",
    "LimitReachedError",
    "Limits",
    "MessageTooLargeError",
    "ProtocolError",
    "ReadOnlyError",
    "RefusedError",
    "Room",
    "RoomFactory",
    "RoomLoadError",
    "Rooms",
    "ServerOptions",
    "ServerStats",
    "ServerWire",
    "Status",
    "StatusChanges",
    "Token",
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
