"""Who writes, whatever the network does, and remembers what has to be there in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from anyio import create_task_group, sleep
from pycrdt import Doc

from tests.faults.edits import edits_of
from ycore import ClientWire
from ycore.replica import Signal
from ycore.testing import until

__all__ = ["Writer", "until_all_have_all"]

PACE = 0.01
"""A writer makes an edit so often, in seconds."""

PATIENCE = 20.0

GLANCE = 10.0
"""How long seeing who is there may take, in seconds: after 15 all states are told anew anyhow."""


class Writer:
    """Writes by a client, and is seen by its name."""

    def __init__(
        self, client: ClientWire, name: str, on_confirmed: Callable[[list[str]], None] | None = None
    ) -> None:
        """Make a writer.

        Args:
            client: A client that is entered.
            name: What others see.
            on_confirmed: Called with what has arrived at the server since the last time, as soon
                as the client says so.
        """
        self.client = client
        self.name = name
        self.written: list[str] = []
        self._on_confirmed = on_confirmed
        self._has_written = Signal()
        client.awareness.set_local_state({"name": name})

    def write(self) -> None:
        """Make one more edit."""
        edit = f"{self.name} {len(self.written)}"
        edits_of(self.client.doc).append(edit)
        self.written.append(edit)
        self._has_written.set()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write all the time for the duration of the block, and wait until all has arrived."""
        async with create_task_group() as tasks:
            tasks.start_soon(self._write)
            tasks.start_soon(self._confirm)
            yield
            tasks.cancel_scope.cancel()
        await self.client.flush()

    def sees(self, names: Iterable[str]) -> bool:
        """Whether those who are seen are these, and this one."""
        states = self.client.awareness.states.values()
        return {state["name"] for state in states if state} == {*names, self.name}

    async def until_sees(self, *names: str, timeout: float = GLANCE) -> None:  # noqa: ASYNC109
        """Wait until those who are seen are these, and this one."""
        await until(self.client.awareness, lambda: self.sees(names), timeout=timeout)

    async def _write(self) -> None:
        while True:
            self.write()
            await sleep(PACE)

    async def _confirm(self) -> None:
        confirmed = 0
        while True:
            await self._has_written.wait()
            count = len(self.written)
            await self.client.flush()
            if self._on_confirmed is not None:
                self._on_confirmed(self.written[confirmed:count])
            confirmed = count


async def until_all_have_all(docs: Iterable[Doc[Any]], edits: Iterable[str]) -> None:
    """Wait until some documents hold all edits, each once; they are in the same order then."""
    first, *others = docs
    expected = Counter(edits)
    for doc in (first, *others):
        shared = edits_of(doc)
        await until(doc, lambda: Counter(shared) == expected, timeout=PATIENCE)  # noqa: B023
    for doc in others:
        assert list(edits_of(doc)) == list(edits_of(first))
