"""Performs a play: does what it says when it says so, and lets everybody come to rest after it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from unittest.mock import patch

from anyio import create_task_group, current_time, fail_after, move_on_after, sleep, sleep_until
from anyio.abc import TaskGroup

from tests.chaos.actions import (
    Act,
    ClientAction,
    Crash,
    Cut,
    Deed,
    Edit,
    Edits,
    Flood,
    Flush,
    Freeze,
    Join,
    Leave,
    Pause,
    Play,
    Restart,
    Resume,
    Show,
    Stall,
    Thaw,
)
from tests.chaos.actor import Actor
from tests.chaos.content import Fact, holds
from tests.chaos.ledger import Ledger
from tests.chaos.oracle import errors_logged, judge
from tests.chaos.servers import Site
from ycore import Access, link

__all__ = ["perform"]

logger = logging.getLogger("chaos")

BOUND = 60.0
"""So long it may take until everybody is back and everything has arrived, in seconds."""

COINS, PACE = 60, 0.005
"""So many each client spends between two acts, and every how many seconds one."""

LONGEST_DELAY = 0.5
"""Clients that come back after several seconds, as they do by default, miss most of it."""


async def perform(play: Play) -> Counter[str]:
    """Perform a play.

    Returns:
        How often what has happened.

    Raises:
        AssertionError: Something is not as it should be.
        Exception: Something has failed.
    """
    with patch.object(link, "LONGEST_DELAY", LONGEST_DELAY), errors_logged() as errors:
        async with create_task_group() as tasks:
            stage = Stage(play, tasks)
            async with stage.open():
                for number, act in enumerate(play.acts, 1):
                    logger.info("act %d", number)
                    with fail_after(4 * act[-1].at + BOUND):
                        await stage.perform(act)
                    await stage.rest()
                    await stage.judge()
                    await stage.spend()
                    await stage.judge()
                    assert not errors, f"errors were logged: {errors}"
            tasks.cancel_scope.cancel()
    return stage.counts


class Stage:
    """Where a play is performed: the servers, and clients in their rooms."""

    def __init__(self, play: Play, tasks: TaskGroup) -> None:
        self._ledgers = {who.room: Ledger() for who in play.cast}
        self._site = Site(
            dict.fromkeys(who.wire for who in play.cast),
            break_connections=self._break_connections,
            on_loss=self._note_loss,
            on_newcomer=self._note_thaw,
        )
        self._actors = [
            Actor(
                who,
                tasks,
                self._ledgers[who.room],
                port=partial(self._site.port, who.wire),
                is_there=partial(self._is_there, who.room),
            )
            for who in play.cast
        ]
        self._parts = {actor.who: actor for actor in self._actors}
        self._done: Counter[str] = Counter()

    @property
    def counts(self) -> Counter[str]:
        """How often what has happened so far."""
        connections = sum(line.connections for actor in self._actors for line in actor.lines)
        confirmed = sum(len(ledger) for ledger in self._ledgers.values())
        refused = sum(ledger.refused for ledger in self._ledgers.values())
        return self._done + Counter(connections=connections, confirmed=confirmed, refused=refused)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Run the servers for the duration of the block; everybody leaves at its end."""
        async with self._site.running():
            yield
            for actor in self._actors:
                actor.leave()
            for actor in self._actors:
                await actor.gone()

    async def perform(self, act: Act) -> None:
        """Do what an act says when it says so, or later if there is too much to do."""
        for actor in self._actors:
            if not actor.is_in:
                actor.join()
        began = current_time()
        async with create_task_group() as restarts:
            for step in act:
                await sleep_until(began + step.at)
                logger.info("%.3f %s", step.at, step.action)
                self._done[type(step.action).__name__] += 1
                match step.action:
                    case Restart():
                        restarts.start_soon(self._site.restart, step.action)
                    case Freeze(id):
                        self._freeze(id)
                    case Thaw(id):
                        self._thaw(id)
                    case _:
                        self._do(step.action)

    async def rest(self) -> None:
        """Let everything that goes wrong end, and everybody come and have nothing more to send.

        Raises:
            AssertionError: It takes too long, or what has been confirmed is not there.
        """
        for id in self._ledgers:  # noqa: A001
            self._thaw(id)
        restless = {actor.who.name for actor in self._actors}

        async def rest(actor: Actor) -> None:
            await actor.rest()
            restless.discard(actor.who.name)

        with move_on_after(BOUND):
            async with create_task_group() as tasks:
                for actor in self._actors:
                    tasks.start_soon(rest, actor)
        assert not restless, f"not at rest within {BOUND} s: {sorted(restless)}"

    async def spend(self) -> None:
        """Delete, one by one, what everybody has.

        What only deletes leaves no gap where it is missing, and now nobody asks: each has to
        arrive by itself.
        """
        for _ in range(COINS):
            for actor in self._actors:
                actor.edit([Edit(Deed.MINT, 0.0, 1)])
        await self.rest()
        await self.judge()
        for _ in range(COINS):
            for number, actor in enumerate(self._actors):
                # Each others, for the most part.
                actor.edit([Edit(Deed.SPEND, number / len(self._actors), 1)])
            await sleep(PACE)

    async def judge(self) -> None:
        """Check that all have the same, and that nothing is missing.

        Raises:
            AssertionError: It is not so.
        """
        for id, ledger in self._ledgers.items():  # noqa: A001
            present = [actor for actor in self._actors if actor.who.room == id]
            if self._site.room(id) is None:
                # A machine that stood still has lost connections; who was in it comes back.
                await self.rest()
            room = self._site.room(id)
            assert room is not None, f"room {id!r} is not open"
            try:
                await judge(room, present, ledger, bound=BOUND)
            except AssertionError as exc:
                raise AssertionError(f"room {id!r}: {exc}") from None

    # What the servers call

    def _break_connections(self, wires: Iterable[str]) -> None:
        for actor in self._actors:
            if actor.who.wire in wires:
                for line in actor.lines:
                    line.cut()

    def _note_loss(self) -> None:
        for id, ledger in self._ledgers.items():  # noqa: A001
            ledger.lose(actor.document for actor in self._actors if actor.who.room == id)

    def _note_thaw(self, id: str) -> None:  # noqa: A002
        self._ledgers[id].thaw(partial(self._has_arrived, id))

    def _is_there(self, id: str, fact: Fact) -> bool:  # noqa: A002
        return holds(self._site.document(id), fact)

    def _has_arrived(self, id: str, fact: Fact) -> bool:  # noqa: A002
        """Tell whether the server, or another client than who made it, has a fact."""
        others = (
            actor.document
            for actor in self._actors
            if actor.who.room == id and not fact.mark.startswith(f"{actor.who.name}-")
        )
        return self._is_there(id, fact) or any(holds(document, fact) for document in others)

    # What actions mean

    def _freeze(self, id: str) -> None:  # noqa: A002
        if (room := self._site.room(id)) is not None:
            room.grant(Access.READ)
            self._ledgers[id].freeze()

    def _thaw(self, id: str) -> None:  # noqa: A002
        self._note_thaw(id)
        if (room := self._site.room(id)) is not None:
            room.grant(Access.READ_WRITE)

    def _do(self, action: ClientAction) -> None:
        actor = self._parts[action.who]
        match action:
            case Edits(_, edits):
                actor.edit(edits)
            case Flood():
                actor.flood(action)
            case Flush():
                actor.flush()
            case Show():
                actor.show()
            case Join(_, with_new_document):
                actor.join(with_new_document=with_new_document)
            case Leave():
                actor.leave()
            case Crash(_, is_process):
                actor.crash(is_process=is_process)
            case _:
                self._disturb(actor, action)

    def _disturb(self, actor: Actor, action: ClientAction) -> None:
        if actor.line is None:
            return
        match action:
            case Cut(_, after):
                actor.line.cut(after)
            case Stall(_, up, down):
                actor.line.stall(up=up, down=down)
            case Pause():
                actor.line.pause()
            case Resume():
                actor.line.resume()
