from typing import Any

from ycore import ServerWire
from ycore.testing import WireConformance
from ywire_zmq import ZmqServer


class TestZmq(WireConformance):
    wire = "zmq"

    def server_options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": 0}

    def same_address(self, server: ServerWire) -> dict[str, Any]:
        assert isinstance(server, ZmqServer)
        return {"port": server.port}

    def client_options(self, server: ServerWire) -> dict[str, Any]:
        return {"host": "127.0.0.1", **self.same_address(server)}
