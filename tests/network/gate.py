"""A gate that tasks wait at while it is closed."""

from __future__ import annotations

from anyio import Event

__all__ = ["Gate"]


class Gate:
    """Open at first."""

    def __init__(self) -> None:
        self._opened = Event()
        self.open()

    @property
    def is_open(self) -> bool:
        """Whether one can pass without waiting."""
        return self._opened.is_set()

    def open(self) -> None:
        """Let everybody through who waits, and who comes."""
        self._opened.set()

    def close(self) -> None:
        """Let nobody through any more."""
        if self._opened.is_set():
            self._opened = Event()

    async def wait(self) -> None:
        """Pass the gate."""
        while not self._opened.is_set():
            await self._opened.wait()
