from typing import Any

import anyio

import ycore
from ycore.testing import WireConformance


class TestTcp(WireConformance):
    wire = "tcp"

    def server_options(self) -> dict[str, Any]:
        return {"port": 0}

    def client_options(self, server: ycore.ServerWire) -> dict[str, Any]:
        return {"port": server.port}  # type: ignore[attr-defined]

    same_address = client_options

    async def cut_in_mid_message(self, server: ycore.ServerWire, id: str) -> None:  # noqa: A002
        port = server.port  # type: ignore[attr-defined]
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            name = id.encode()
            await stream.send(b"\0" + len(name).to_bytes(4) + name + b"\0\0\0\0\x09cut")
