"""The websocket wire of ycore: share documents with Python programs and browsers."""

from ycore import Wire, hookimpl

from .asgi import AsgiServer
from .client import WebsocketClient
from .endpoint import WebsocketEndpoint
from .mounting import mount
from .server import WebsocketServer

__all__ = ["AsgiServer", "WebsocketClient", "WebsocketEndpoint", "WebsocketServer", "mount"]


@hookimpl
def ycore_wires() -> list[Wire]:
    """Offer the wire "websocket"."""
    return [Wire("websocket", server=WebsocketServer, client=WebsocketClient)]
