"""A Yjs client in a Node process, as a test sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from anyio import Event, move_on_after

__all__ = ["BOUND", "YjsClient", "YjsEvent"]

BOUND = 10.0
"""How long it may take until all see the same, in seconds; Yjs repairs nothing before 15 s."""

SHOWN = 1000
"""So many characters of a value are shown in a failure."""


class YjsEvent(NamedTuple):
    """What a provider tells: `status`, `sync`, `connection-close` with its code, and so on."""

    name: str
    detail: Any


class YjsClient:
    """A Yjs client: JavaScript expressions are evaluated in it.

    They may use `Y`, `doc`, `provider` and `awareness`.
    """

    def __init__(self, call: Callable[..., Awaitable[Any]], number: int) -> None:
        self.id = 0
        """The client's id in documents and in awareness states."""
        self.events: list[YjsEvent] = []
        """What the provider has told so far."""
        self._call = call
        self._number = number
        self._told = Event()
        self._seen = 0

    async def call(self, name: str, **details: Any) -> Any:
        """Call something in the process for this client."""
        return await self._call(name, client=self._number, **details)

    async def evaluate(self, expression: str, **values: Any) -> Any:
        """Return the value of an expression, which may use the given values by their names."""
        return await self.call("evaluate", expression=expression, values=values)

    async def until(self, expression: str, expected: object, *, bound: float = BOUND) -> None:
        """Wait until an expression has a value, looking at it after every change.

        Raises:
            AssertionError: It had not in time; the message shows what it was instead.
        """
        answer = await self.call(
            "until", expression=expression, expected=expected, seconds=bound, patience=bound
        )
        assert answer["met"], (
            f"not within {bound} s; {expression} was: {answer['value']!r:.{SHOWN}}"
        )

    async def until_synced(self) -> None:
        """Wait until the provider has the server's content."""
        await self.until("provider.synced", True)

    async def until_event(self, name: str, *detail: Any, bound: float = BOUND) -> None:
        """Wait until the provider tells something, with a certain detail if one is given.

        Of what it has told already, what comes after the event that was waited for last counts.

        Raises:
            AssertionError: It has not in time; the message shows what it has told.
        """
        with move_on_after(bound):
            while not self._find_event(name, *detail):
                await self._told.wait()
            return
        raise AssertionError(f"no {name} {detail} within {bound} s; there was: {self.events}")

    def take_event(self, name: str, detail: Any) -> None:
        """Take in what the provider tells."""
        self.events.append(YjsEvent(name, detail))
        self._told.set()
        self._told = Event()

    async def disconnect(self) -> None:
        """Leave the server."""
        await self.evaluate("provider.disconnect()")

    async def connect(self) -> None:
        """Come back to the server."""
        await self.evaluate("provider.connect()")

    def _find_event(self, name: str, *detail: Any) -> bool:
        for number, event in enumerate(self.events[self._seen :], self._seen + 1):
            if event.name == name and detail in ((), (event.detail,)):
                self._seen = number
                return True
        return False
