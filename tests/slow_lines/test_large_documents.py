"""Documents that take longer to carry than a peer may be silent."""

from __future__ import annotations

import pytest

from tests.faults.marks import networked_wires
from tests.faults.wires import HEARTBEAT
from tests.slow_lines.line import slow_line
from ywire_zmq import sockets

SHORT = 0.4
"""A time in which not all of a large document is carried, in seconds."""

pytestmark = networked_wires


@pytest.fixture(autouse=True)
def impatient_libzmq(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have libzmq give up a silent peer as soon as this project does."""
    monkeypatch.setattr(sockets, "PROBE_MS", round(HEARTBEAT * 1000))
    monkeypatch.setattr(sockets, "SILENCE_MS", round(3 * HEARTBEAT * 1000))


async def test_a_large_document_is_received(wire: str) -> None:
    async with slow_line(wire) as line:
        await line.receive_a_large_document()


async def test_a_large_document_is_sent(wire: str) -> None:
    async with slow_line(wire) as line:
        await line.send_a_large_document()


async def test_joining_may_take_longer_than_connecting(wire: str) -> None:
    async with slow_line(wire) as line:
        await line.receive_a_large_document(connect_timeout=SHORT)


async def test_who_takes_a_large_message_is_not_too_slow(wire: str) -> None:
    async with slow_line(wire) as line:
        await line.send_a_large_document(send_timeout=SHORT)
