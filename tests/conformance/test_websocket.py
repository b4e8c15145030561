from typing import Any

from ycore import ServerWire
from ycore.testing import WireConformance
from ywire_websocket import WebsocketServer


class TestWebsocket(WireConformance):
    wire = "websocket"
    backends = ("asyncio",)

    def server_options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": 0}

    def same_address(self, server: ServerWire) -> dict[str, Any]:
        assert isinstance(server, WebsocketServer)
        return {"port": server.port}

    def client_options(self, server: ServerWire) -> dict[str, Any]:
        return {"host": "127.0.0.1", **self.same_address(server)}
