"""The client side of the zmq wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Unpack

import zmq

from ycore import Channel, ClientOptions, ClientWire
from ycore.tasks import background_tasks

from . import endpoints
from .curve import ClientKeys
from .dealer import Link, ServerChannel, open_link
from .frames import Hello, encode
from .sockets import shared_context

__all__ = ["ZmqClient"]


class ZmqClient(ClientWire):
    """Shares a document with a room of a server over ZeroMQ."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        endpoint: str | None = None,
        server_key: str | None = None,
        secret_key: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        """Make a client.

        Args:
            host: The server's name or address.
            port: The server's tcp port.
            endpoint: Instead of host and port: `tcp://…`, `ipc://…` or `inproc://…`. A server at
                an inproc endpoint is reached from its own event loop only.
            server_key: The server's public key, in Z85: connect by CURVE to whoever has the
                secret one, and to nobody else.
            secret_key: The client's own, for servers that let in only the keys they know; by
                default one that is thrown away.
            **options: See `ClientOptions`.

        Raises:
            ValueError: Neither a port nor an endpoint is given, the endpoint is none, or a key is
                malformed or cannot be of use.
        """
        super().__init__(**options)
        if endpoint is None:
            if port is None:
                raise ValueError("where is the server? Give a port or an endpoint")
            endpoint = endpoints.tcp(host, port)
        self._endpoint = endpoints.check(endpoint)
        self._keys = ClientKeys.given(server_key, secret_key, self._endpoint)

    @property
    def address(self) -> str:
        """Where the server is, for errors and log lines."""
        return f"zmq {self._endpoint}"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        """Open a new connection to the server; see `ClientWire.open`.

        Raises:
            OSError: The server cannot be reached, or refuses; the message names it.
            ValueError: The room's id or the token is too long.
        """
        hello = encode(Hello(self.id, await self.get_token() or ""))
        async with shared_context() as context, AsyncExitStack() as stack:
            link = await self._reach(context, stack)
            async with background_tasks() as tasks:
                channel = ServerChannel(link, id=self.id, peer=self.address, limits=self.limits)
                tasks.start_soon(channel.watch)
                welcome = await channel.say_hello(hello)
                tasks.start_soon(channel.read)
                tasks.start_soon(channel.keep_alive, welcome.heartbeat_ms / 1000)
                yield channel

    async def _reach(self, context: zmq.Context[zmq.Socket[bytes]], stack: AsyncExitStack) -> Link:
        """Connect to the first address of the server where something listens."""
        *others, last = await endpoints.resolve(self._endpoint)

        async def reach(endpoint: str) -> Link:
            link = open_link(context, endpoint, keys=self._keys)
            return await stack.enter_async_context(link)

        for endpoint in others:
            try:
                return await reach(endpoint)
            except ConnectionRefusedError:
                continue
        return await reach(last)
