"""Somebody in a room who does nothing by itself: it reads only when it is told to."""

from __future__ import annotations

from typing import Any

from anyio import fail_after
from pycrdt import Doc, Map

from ycore import Channel
from ycore.protocol import Kind, decode, encode_step1, encode_update
from ycore.replica import EMPTY_STATE

__all__ = ["PATIENCE", "Guest", "keys_of", "write"]

PATIENCE = 20.0
"""What has to happen may take so long, in seconds; nobody waits so long when all is well."""


class Guest:
    """The client's end of a connection, and what it has been told so far."""

    def __init__(self, channel: Channel) -> None:
        self.doc: Doc[Any] = Doc()
        self._channel = channel

    @property
    def close_code(self) -> int | None:
        """The code with which the server has closed the connection."""
        return self._channel.close_code

    async def join(self) -> None:
        """Ask for the content of the room, and read it."""
        await self._channel.send(encode_step1(EMPTY_STATE))
        with fail_after(PATIENCE):
            while not self._take(await self._channel.receive()):
                pass

    async def say(self, key: str) -> None:
        """Write something into the room."""
        doc: Doc[Any] = Doc()
        write(doc, key)
        await self._channel.send(encode_update(doc.get_update()))

    async def read_to_the_end(self) -> None:
        """Read until the server closes the connection."""
        with fail_after(PATIENCE):
            async for frame in self._channel:
                self._take(frame)

    def _take(self, frame: bytes) -> bool:
        """Take in a message; return whether it was an answer."""
        answered = False
        for kind, payload in decode(frame):
            if kind in (Kind.STEP2, Kind.UPDATE):
                self.doc.apply_update(payload)
            answered = answered or kind is Kind.STEP2
        return answered


def write(doc: Doc[Any], key: str, value: object = True) -> None:
    """Write something that can be found again."""
    doc.get("shared", type=Map)[key] = value


def keys_of(doc: Doc[Any]) -> set[str]:
    """Return what was written."""
    return set(doc.get("shared", type=Map))
