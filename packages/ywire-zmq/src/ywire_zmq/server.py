"""The server side of the zmq wire."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Unpack

import zmq
from anyio import create_task_group, move_on_after
from anyio.abc import TaskStatus

from ycore import AccessDeniedError, ServerOptions, ServerWire

from . import endpoints
from .curve import ServerKeys
from .readiness import watching
from .router import Router
from .sockets import Monitor, monitoring, open_socket, shared_context, translate
from .zap import KeyCheck, checking_keys

__all__ = ["ZmqServer"]

BACKLOG = 1024
"""How many connections may wait for being accepted."""

UNBIND_TIMEOUT = 1.0
"""How long libzmq may take to give the endpoint back, in seconds."""

MAX_HEARTBEAT = 3600.0
"""The longest heartbeat, in seconds."""


class ZmqServer(ServerWire):
    """Serves rooms over ZeroMQ."""

    wire = "zmq"

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        endpoint: str | None = None,
        heartbeat: float = 5.0,
        secret_key: str | None = None,
        client_keys: Collection[str] | None = None,
        **options: Unpack[ServerOptions],
    ) -> None:
        """Make a server.

        Args:
            host: The name or address to bind; `"*"` for all of this machine.
            port: The tcp port; 0 lets the system choose one, see `port`.
            endpoint: Instead of host and port: `tcp://…`, `ipc://…` or `inproc://…`. Clients
                reach an inproc endpoint from the same event loop.
            heartbeat: How often server and client let each other hear from them, in seconds; who
                is silent for three times as long is lost.
            secret_key: The server's secret key, in Z85: connections are encrypted by CURVE, and
                clients need the public one, see `public_key`. By default nothing is encrypted.
            client_keys: The public keys of the clients that may connect, with a `secret_key` only;
                by default everybody who knows the server's public key.
            **options: See `ServerOptions`.

        Raises:
            ValueError: The endpoint is none, a bound makes no sense, or a key is malformed or
                cannot be of use.
        """
        super().__init__(**options)
        if not 0.001 <= heartbeat <= MAX_HEARTBEAT:
            raise ValueError(
                f"heartbeat must be within 0.001 and {MAX_HEARTBEAT}, not {heartbeat!r}"
            )
        self._heartbeat = heartbeat
        if endpoint is None:
            endpoint = endpoints.tcp(host, port)
        self._endpoint = endpoints.check(endpoint)
        self._keys = ServerKeys.given(secret_key, client_keys, self._endpoint)

    @property
    def endpoint(self) -> str:
        """Where the server listens, once it does; before that, where it is going to."""
        return self._endpoint

    @property
    def address(self) -> str:
        """The endpoint."""
        return self._endpoint

    @property
    def port(self) -> int:
        """The tcp port, once the server listens; 0 if it is none."""
        return endpoints.port_of(self._endpoint)

    @property
    def public_key(self) -> str | None:
        """What clients need as `server_key`, in Z85; None if nothing is encrypted."""
        return None if self._keys is None else self._keys.own.public

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        """Accept connections until cancelled; see `ServerWire.listen`.

        Raises:
            OSError: The endpoint cannot be used; the message names it.
        """
        endpoint, *_ = await endpoints.resolve(self._endpoint)
        async with shared_context() as context:
            with (
                open_socket(
                    context,
                    zmq.ROUTER,
                    ipv6=endpoints.needs_ipv6(endpoint),
                ) as socket,
                monitoring(socket, zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED) as monitor,
                watching(socket) as readiness,
                self._securing(context, socket) as check,
            ):
                self._endpoint = _bind(socket, endpoint, linger=self.limits.close_timeout)
                try:
                    async with create_task_group() as tasks:
                        router = Router(
                            socket,
                            readiness,
                            limits=self.limits,
                            heartbeat=self._heartbeat,
                            checks_keys=check is not None,
                            on_connection=lambda channel: tasks.start_soon(self.serve, channel),
                        )
                        if check is not None:
                            tasks.start_soon(check.run)
                        task_status.started()
                        await router.run(monitor)
                finally:
                    await _unbind(socket, self._endpoint, monitor)

    @contextmanager
    def _securing(
        self, context: zmq.Context[zmq.Socket[bytes]], socket: zmq.Socket[bytes]
    ) -> Iterator[KeyCheck | None]:
        """Encrypt a socket, if that is wanted, and check the keys of its peers."""
        if self._keys is None:
            yield None
            return
        with checking_keys(context, self._keys.clients, self._refuse_key) as check:
            self._keys.secure(socket, check.domain)
            yield check

    def _refuse_key(self, address: str, key: str) -> None:
        reason = f"its key {key} is not one of client_keys"
        self.note_refusal(f"zmq {address}", AccessDeniedError(reason, kind="client_keys"))


def _bind(socket: zmq.Socket[bytes], endpoint: str, *, linger: float) -> str:
    """Bind a socket; return the endpoint with the real port.

    Args:
        socket: The socket.
        endpoint: Where to bind it.
        linger: How long it may go on sending once it is closed, in seconds: what clients that are
            behind still lack, and the BYE behind that.

    Raises:
        OSError: The endpoint cannot be used; the message names it.
    """
    endpoints.claim(endpoint)
    socket.set(zmq.ROUTER_MANDATORY, 1)
    socket.set(zmq.BACKLOG, BACKLOG)
    socket.set(zmq.LINGER, round(linger * 1000))
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as exc:
        raise translate(exc, f"cannot bind {endpoint}") from exc
    return socket.get_string(zmq.LAST_ENDPOINT)


async def _unbind(socket: zmq.Socket[bytes], endpoint: str, monitor: Monitor) -> None:
    """Give the endpoint back, and wait until the next one can have it."""
    endpoints.release(endpoint)
    socket.unbind(endpoint)
    if endpoints.is_inproc(endpoint):
        return
    with move_on_after(UNBIND_TIMEOUT, shield=True):
        while (await monitor.next())[0] != zmq.EVENT_CLOSED:
            pass
