"""CURVE keys: who a server is, who a client is, and whom a server lets in.

A key is 32 bytes, written as 40 characters of Z85 (ZeroMQ RFC 32). Secret ones are in no text that
this package makes.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self

import zmq
from zmq.utils import z85

from . import endpoints

__all__ = ["ClientKeys", "KeyPair", "ServerKeys"]

SIZE = 40
"""How many characters a key has."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key, by which others know somebody, and the secret one that proves it."""

    public: str
    secret: str = field(repr=False)

    @classmethod
    def make(cls) -> Self:
        """Make a new pair."""
        public, secret = zmq.curve_keypair()
        return cls(public.decode(), secret.decode())

    @classmethod
    def of(cls, secret: str) -> Self:
        """Return the pair of a secret key."""
        return cls(zmq.curve_public(secret.encode()).decode(), secret)


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """The keys of a server that is encrypted."""

    own: KeyPair
    clients: frozenset[str] | None
    """The public keys that may connect; None for all."""

    @classmethod
    def given(
        cls, secret_key: str | None, client_keys: Collection[str] | None, endpoint: str
    ) -> Self | None:
        """Return the keys that the options of a server say, or None for a plain one.

        Raises:
            ValueError: A key is malformed, or cannot be of use here.
        """
        if secret_key is None:
            if client_keys is not None:
                raise ValueError("client_keys are of no use without the server's secret_key")
            return None
        _check_endpoint(endpoint)
        _check("secret_key", secret_key)
        if client_keys is not None:
            client_keys = frozenset(_check("one of client_keys", key) for key in client_keys)
        return cls(KeyPair.of(secret_key), client_keys)

    def secure(self, socket: zmq.Socket[bytes], domain: bytes) -> None:
        """Encrypt a socket that is not bound yet.

        Args:
            socket: The socket.
            domain: What the handler of `zap.py` knows the socket by.
        """
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_SECRETKEY, self.own.secret.encode())
        socket.set(zmq.ZAP_DOMAIN, domain)
        # Without it, libzmq lets everybody in while there is no handler.
        socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """The keys of a client of a server that is encrypted."""

    server: str
    """The server's public key."""
    own: KeyPair

    @classmethod
    def given(cls, server_key: str | None, secret_key: str | None, endpoint: str) -> Self | None:
        """Return the keys that the options of a client say, or None for a plain one.

        Raises:
            ValueError: A key is malformed, or cannot be of use here.
        """
        if server_key is None:
            if secret_key is not None:
                raise ValueError("secret_key is of no use without the server_key")
            return None
        _check_endpoint(endpoint)
        _check("server_key", server_key)
        if secret_key is None:
            return cls(server_key, KeyPair.make())
        return cls(server_key, KeyPair.of(_check("secret_key", secret_key)))

    def secure(self, socket: zmq.Socket[bytes]) -> None:
        """Encrypt a socket that is not connected yet."""
        socket.set(zmq.CURVE_SERVERKEY, self.server.encode())
        socket.set(zmq.CURVE_PUBLICKEY, self.own.public.encode())
        socket.set(zmq.CURVE_SECRETKEY, self.own.secret.encode())


def _check(name: str, key: str) -> str:
    """Return a key unchanged.

    Raises:
        ValueError: It is none; the message does not show it, for it may be a secret with a typo.
    """
    try:
        if isinstance(key, str) and len(key) == SIZE:
            z85.decode(key)
            return key
    except (KeyError, ValueError, struct.error):
        pass
    raise ValueError(
        f"{name} is no CURVE key: that is a text of {SIZE} characters of Z85, such as "
        "`python -m ywire_zmq` prints"
    )


def _check_endpoint(endpoint: str) -> None:
    if endpoints.is_inproc(endpoint):
        raise ValueError(f"{endpoint!r} cannot be encrypted: inproc knows no keys")
