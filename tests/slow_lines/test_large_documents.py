"""Documents that take longer to carry than a peer may be silent."""

from __future__ import annotations

import pytest

from tests.faults.marks import networked_wires
from tests.slow_lines.line import HEARTBEAT, LONG, slow_line
from ywire_zmq import sockets

pytestmark = networked_wires


@pytest.fixture(autouse=True)
def impatient_libzmq(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have libzmq give up a silent peer as soon as this project does."""
    monkeypatch.setattr(sockets, "PROBE_MS", round(HEARTBEAT * 1000))
    monkeypatch.setattr(sockets, "SILENCE_MS", round(3 * HEARTBEAT * 1000))


async def test_a_large_document_is_received(wire: str) -> None:
    async with slow_line(wire) as line:
        # Joining may take longer than connecting.
        await line.receive_a_large_document(connect_timeout=LONG)


async def test_a_large_document_is_sent(wire: str) -> None:
    async with slow_line(wire) as line:
        # Who takes a large message is not too slow; what zmq's window does not take leaves later.
        await line.send_a_large_document(send_timeout=LONG / 2)
