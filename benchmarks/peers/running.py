"""Run a peer in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from subprocess import PIPE
from tempfile import TemporaryFile
from typing import IO

from anyio import CancelScope, move_on_after, open_process, sleep
from anyio.abc import Process

from . import Peer

__all__ = ["PeerError", "Running", "running"]

STARTING = 60.0
"""How long a peer may take to start, in seconds."""

ENDING = 5.0
"""How long it may take to end, in seconds."""


class PeerError(Exception):
    """A peer did not start, or has died; tells what it said about that."""


@dataclass(frozen=True)
class Running:
    """A peer that listens on a port of 127.0.0.1."""

    pid: int
    port: int


@asynccontextmanager
async def running(peer: Peer) -> AsyncIterator[Running]:
    """Run a peer, which is installed, for the duration of the block.

    Raises:
        PeerError: It did not start in time, or has died before the block was left.
    """
    port = _free_port()
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = await open_process(
            peer.command(port),
            stdin=PIPE,
            stdout=output,
            stderr=errors,
            env={**os.environ, **peer.environment()},
            start_new_session=True,
        )
        try:
            if not await _becomes_ready(process, output):
                raise PeerError(f"{peer.name} did not start:\n{_content(errors)}")
            try:
                yield Running(process.pid, port)
            finally:
                if await _has_died(process):
                    code = process.returncode
                    raise PeerError(f"{peer.name} ended with {code}:\n{_content(errors)}")
        finally:
            await _end(process)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def _becomes_ready(process: Process, output: IO[bytes]) -> bool:
    with move_on_after(STARTING):
        while process.returncode is None:
            if "ready" in _content(output).splitlines():
                return True
            await sleep(0.02)
    return False


async def _has_died(process: Process) -> bool:
    """Tell if it has ended already; that takes a moment to be known."""
    with CancelScope(shield=True), move_on_after(0.1):
        await process.wait()
    return process.returncode is not None


def _content(file: IO[bytes]) -> str:
    """Return what is in a file, without moving where its writer is."""
    return os.pread(file.fileno(), 1 << 20, 0).decode(errors="replace")


async def _end(process: Process) -> None:
    """End a process, and whatever it may have started."""
    with CancelScope(shield=True):
        with move_on_after(ENDING), suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
            await process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.aclose()
