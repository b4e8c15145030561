from typing import Any

from anyio import connect_tcp
from anyio.streams.buffered import BufferedByteReceiveStream

from ycore import ServerWire
from ycore.testing import WireConformance
from ywire_zmq import ZmqServer

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\x00") + bytes(32)
READY = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
BEGINNING = b"\x02" + (1000).to_bytes(8, "big") + bytes(10)
"""Ten bytes of a message of a thousand; this and what comes before: ZMTP 3.0 (RFC 23)."""


class TestZmq(WireConformance):
    wire = "zmq"

    def server_options(self) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": 0}

    def same_address(self, server: ServerWire) -> dict[str, Any]:
        assert isinstance(server, ZmqServer)
        return {"port": server.port}

    def client_options(self, server: ServerWire) -> dict[str, Any]:
        return {"host": "127.0.0.1", **self.same_address(server)}

    async def cut_in_mid_message(self, server: ServerWire, id: str) -> None:  # noqa: A002
        async with await connect_tcp("127.0.0.1", self.same_address(server)["port"]) as stream:
            await stream.send(GREETING)
            received = BufferedByteReceiveStream(stream)
            await received.receive_exactly(len(GREETING))
            await stream.send(bytes([0x04, len(READY)]) + READY)
            assert (await received.receive_exactly(8)).endswith(b"READY")
            await stream.send(BEGINNING)
