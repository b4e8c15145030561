"""A client that comes and goes, edits, and keeps account of what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from anyio import CancelScope, ClosedResourceError, Event, sleep
from anyio.abc import TaskGroup
from pycrdt import Doc

from tests.chaos.actions import Deed, Edit, Flood, Who
from tests.chaos.content import Fact, churn, make, new_document
from tests.chaos.ledger import Entry, Ledger
from tests.chaos.lines import Line, LineClient, lay_line
from ycore import (
    ClientWire,
    ConnectError,
    ConnectionRejectedError,
    ReadOnlyError,
    UnsentEditsError,
)

__all__ = ["Actor"]

PATIENCE = {"connect_timeout": 3.0, "send_timeout": 1.5, "close_timeout": 0.5}
"""Stalls last longer, at times."""

RETRY_AFTER = 0.1
"""Who cannot connect at first, or is refused to write, tries again after so many seconds."""


class _Paper:
    """A document, and what this client has made in it."""

    def __init__(self) -> None:
        self.document: Doc[Any] = new_document()
        self.entries: list[Entry] = []


class _Stay:
    """One time in the room, from the first attempt to connect until everything is closed."""

    def __init__(self, paper: _Paper) -> None:
        self.paper = paper
        self.scope = CancelScope()
        self.joined, self.leaving, self.ended = Event(), Event(), Event()
        self.line: Line | None = None
        self.client: ClientWire | None = None


class Actor:
    """A client that comes and goes: a document, and one stay in the room after the other."""

    def __init__(
        self,
        who: Who,
        tasks: TaskGroup,
        ledger: Ledger,
        *,
        port: Callable[[], int | None],
        is_there: Callable[[Fact], bool],
    ) -> None:
        """Make an actor, which is out.

        Args:
            who: Which part it plays.
            tasks: Where it acts.
            ledger: Where to account for what has arrived.
            port: Returns where the server is, if its host runs.
            is_there: Whether the server's room has a fact.
        """
        self.who = who
        self.is_in = False
        """Whether it has come and not gone since; it need not be connected."""
        self.mood = {"name": who.name, "mood": 0}
        """Its awareness state, while it is in."""
        self.lines: list[Line] = []
        """Those of all its stays; the last one is in use."""
        self._tasks = tasks
        self._ledger = ledger
        self._port = port
        self._is_there = is_there
        self._paper = _Paper()
        self._stay = _Stay(self._paper)
        self._stay.ended.set()
        self._numbers = count()
        self._busy: set[Event] = set()

    @property
    def document(self) -> Doc[Any]:
        """The document that it has now."""
        return self._paper.document

    @property
    def client(self) -> ClientWire | None:
        """The client of this stay, once it is connected for the first time."""
        return self._stay.client

    @property
    def line(self) -> Line | None:
        """The line of this stay, once it is laid."""
        return self._stay.line

    # What the schedule calls for

    def join(self, *, with_new_document: bool = False) -> None:
        """Come, as soon as the stay before this one has ended."""
        if with_new_document:
            self._paper = _Paper()
        before, self._stay = self._stay, _Stay(self._paper)
        self.is_in = True
        self._tasks.start_soon(self._be_there, self._stay, before)

    def leave(self) -> None:
        """Leave as one should."""
        self.is_in = False
        self._stay.leaving.set()

    def crash(self, *, is_process: bool) -> None:
        """Leave by being cancelled, and lose the document."""
        self.is_in = False
        if is_process and self._stay.line is not None:
            self._stay.line.unplug()
        self._stay.scope.cancel()
        self._paper = _Paper()

    def edit(self, edits: Iterable[Edit]) -> None:
        """Edit the document, wherever the client is."""
        for edit in edits:
            fact = make(self.document, edit, f"{self.who.name}-{next(self._numbers)}")
            if fact is not None:
                self._paper.entries.append(self._ledger.note(fact))

    def flood(self, flood: Flood) -> None:
        """Edit in many turns of the event loop, one after the other, and flush."""
        self._tasks.start_soon(self._flood, flood)

    def flush(self) -> None:
        """Find out, some time, whether all that was edited until now has arrived."""
        if self._stay.client is not None:
            self._tasks.start_soon(self._flush, self._stay.client, self._stay.paper)

    def show(self) -> None:
        """Change the awareness state."""
        self.mood = {"name": self.who.name, "mood": next(self._numbers)}
        if self._stay.client is not None:
            self._stay.client.awareness.set_local_state(self.mood)

    # At the end of an act

    async def rest(self) -> None:
        """Come if it is out, and wait until everything that it does is done and has arrived.

        Raises:
            AssertionError: It has not arrived although a flush has returned.
        """
        for line in self.lines:
            line.resume()
        if not self.is_in:
            self.join()
        await self._stay.joined.wait()
        assert self._stay.client is not None, "joined without a client"
        for task in list(self._busy):
            await task.wait()
        await self._stay.client.synchronized.wait()
        while not await self._flush(self._stay.client, self._stay.paper):  # noqa: ASYNC110
            # The server is about to ask for what it has refused: no event tells.
            await sleep(RETRY_AFTER)

    async def gone(self) -> None:
        """Wait until nothing of it is there any more."""
        await self._stay.ended.wait()

    # Tasks

    async def _be_there(self, stay: _Stay, before: _Stay) -> None:
        await before.ended.wait()
        try:
            with stay.scope:
                stay.line = await lay_line(self.who, self._tasks, self._port)
                self.lines.append(stay.line)
                await self._connect(stay, stay.line)
        finally:
            stay.ended.set()

    async def _connect(self, stay: _Stay, line: Line) -> None:
        """Connect, stay until it is time to leave, and leave."""
        while not stay.leaving.is_set():
            client = LineClient(line, id=self.who.room, doc=stay.paper.document, **PATIENCE)
            try:
                async with client:
                    stay.client = client
                    client.awareness.set_local_state(self.mood)
                    stay.joined.set()
                    await stay.leaving.wait()
                    entries = list(stay.paper.entries)
            except UnsentEditsError:
                return
            except ConnectError as exc:
                if stay.joined.is_set() or isinstance(exc, ConnectionRejectedError):
                    raise
                await sleep(RETRY_AFTER)
            else:
                self._ledger.confirm(entries, self._is_there)

    async def _flush(self, client: ClientWire, paper: _Paper) -> bool:
        """Flush; return whether that was allowed, or the client has left meanwhile."""
        entries = list(paper.entries)
        with self._being_busy():
            try:
                await client.flush()
            except ClosedResourceError:
                return True
            except ReadOnlyError:
                return False
        self._ledger.confirm(entries, self._is_there)
        return True

    async def _flood(self, flood: Flood) -> None:
        with self._being_busy():
            for _ in range(flood.turns):
                churn(self.document, flood.size)
                await sleep(flood.pace)
            self.edit([Edit(Deed.MINT, 0.0, flood.size)])
            self.flush()

    @contextmanager
    def _being_busy(self) -> Iterator[None]:
        done = Event()
        self._busy.add(done)
        try:
            yield
        finally:
            self._busy.discard(done)
            done.set()
