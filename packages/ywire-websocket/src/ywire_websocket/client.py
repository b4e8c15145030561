"""The client side of the websocket wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ssl import SSLContext
from typing import Unpack

import aiohttp
from yarl import URL

from ycore import Channel, ClientOptions, ClientWire, ConnectionRejectedError

from .addresses import room_to_path
from .channel import ClientChannel
from .loop import require_asyncio
from .patience import PatientClientSocket

__all__ = ["WebsocketClient"]

REFUSALS = {401: 4401, 403: 4403}
"""The HTTP answers that refuse a client for good, and the close codes that say the same."""


class WebsocketClient(ClientWire):
    """Connects to a Yjs websocket server."""

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        path: str = "/",
        url: str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        ssl_context: SSLContext | None = None,
        heartbeat: float = 15.0,
        **options: Unpack[ClientOptions],
    ) -> None:
        """Make a client.

        Args:
            host: The server's name or address.
            port: The server's port.
            path: The path below which the rooms are.
            url: The URL below which the rooms are, for instance "wss://example.org/rooms";
                instead of host, port and path.
            headers: HTTP headers to send; the option `token` adds `Authorization: Bearer …`.
            params: A query to send.
            cookies: Cookies to send.
            ssl_context: Connect by TLS with this; by default a `wss://` URL uses the system's.
            heartbeat: A server that sends nothing for so long is asked for a sign of life, and
                given up after half of that again, in seconds, unless it takes what is sent.
            options: See `ClientOptions`.

        Raises:
            ValueError: The URL, host or path makes no sense.
        """
        super().__init__(**options)
        if url is None:
            url = _compose(host, port, path, secure=ssl_context is not None)
        elif (host, port, path) != ("127.0.0.1", 8000, "/"):
            raise ValueError("url says where the server is: leave out host, port and path")
        self._base = URL(url)
        if self._base.scheme not in ("ws", "wss", "http", "https") or not self._base.host:
            raise ValueError(f"url must be like ws://host:port/path, not {url!r}")
        self._headers = headers
        self._params = params
        self._cookies = cookies
        self._ssl_context = ssl_context
        self._heartbeat = heartbeat

    @property
    def address(self) -> str:
        """The URL below which the rooms are."""
        return str(self._base.with_query(None).with_user(None))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        """Open a websocket; see `ClientWire.open`."""
        require_asyncio()
        async with aiohttp.ClientSession(
            cookies=self._cookies, ws_response_class=PatientClientSocket
        ) as session:
            socket = await self._connect(session)
            channel = ClientChannel(self.id, socket, self.address)
            try:
                yield channel
            finally:
                await channel.aclose()

    async def _connect(self, session: aiohttp.ClientSession) -> PatientClientSocket:
        try:
            socket = await session.ws_connect(
                self._url(),
                # aiohttp refuses messages of the limit itself.
                max_msg_size=self.limits.max_message_size + 1,
                timeout=aiohttp.ClientWSTimeout(ws_close=self.limits.close_timeout),
                autoclose=False,
                heartbeat=self._heartbeat,
                headers=await self._headers_with_token(),
                ssl=self._ssl_context or True,
            )
        except aiohttp.WSServerHandshakeError as exc:
            if exc.status in REFUSALS:
                raise ConnectionRejectedError(
                    REFUSALS[exc.status], f"HTTP {exc.status}", self.address
                ) from exc
            raise ConnectionError(f"the server answered with HTTP {exc.status}") from exc
        except aiohttp.ClientError as exc:
            raise ConnectionError(str(exc) or type(exc).__name__) from exc
        assert isinstance(socket, PatientClientSocket)
        return socket

    async def _headers_with_token(self) -> Mapping[str, str] | None:
        token = await self.get_token()
        if token is None:
            return self._headers
        return {**(self._headers or {}), "Authorization": f"Bearer {token}"}

    def _url(self) -> URL:
        url = self._base.with_path(
            room_to_path(self._base.raw_path, self.id), encoded=True, keep_query=True
        )
        return url.extend_query(self._params) if self._params else url


def _compose(host: str, port: int, path: str, *, secure: bool) -> str:
    if "/" in host:
        raise ValueError(f"host must be a name or an address, not {host!r}; or use url=")
    if not path.startswith("/"):
        raise ValueError(f"path must start with a slash, not {path!r}")
    name = f"[{host}]" if ":" in host else host
    return f"{'wss' if secure else 'ws'}://{name}:{port}{path}"
