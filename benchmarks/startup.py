"""Measure how long it takes to start: an import of ycore, and each server until it serves.

A server is there when it has answered the first sync step 1; time counts from the start of its
process, which a few milliseconds of waiting for it are in. Servers take turns, each in a new
process; figures are medians.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import aiohttp

# Neither the benchmarks nor the examples are an installed package.
sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks.peers import PEERS, Peer
from benchmarks.peers.running import running
from ycore.protocol import encode_step1

IMPORTS = ["ycore", "ycore, ywire_websocket", "ycore, ywire_zmq", "pycrdt", "aiohttp"]
ROOM = "first"
PATIENCE = 30.0


def main() -> None:
    """Run the benchmark."""
    options = _parse()
    nothing = _medians([""], options.rounds)[""]
    print("| import | ms more than none |\n| --- | --- |")
    for modules, seconds in _medians(IMPORTS, options.rounds).items():
        print(f"| {modules} | {1e3 * (seconds - nothing):.0f} |")
    for peer in PEERS.values():
        peer.install()
    print("\n| server | ms until the first sync |\n| --- | --- |", flush=True)
    starts: dict[str, list[float]] = {name: [] for name in PEERS}
    for _ in range(options.rounds):
        for name, peer in PEERS.items():
            starts[name].append(asyncio.run(_start(peer)))
    for name, times in starts.items():
        print(f"| {name} | {1e3 * median(times):.0f} |")


def _medians(imports: Sequence[str], rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {modules: [] for modules in imports}
    for _ in range(rounds):
        for modules, times in taken.items():
            start = perf_counter()
            code = f"import {modules}" if modules else "pass"
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(perf_counter() - start)
    return {modules: median(times) for modules, times in taken.items()}


async def _start(peer: Peer) -> float:
    start = perf_counter()
    async with running(peer) as server, asyncio.timeout(PATIENCE):
        url = f"http://127.0.0.1:{server.port}{peer.dialect.path(ROOM)}"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as websocket:
            for frame in peer.dialect.greeting(ROOM):
                await websocket.send_bytes(frame)
            await websocket.send_bytes(peer.dialect.wrap(ROOM, encode_step1(b"\0")))
            while not await _is_answer(peer, websocket):
                pass
            return perf_counter() - start


async def _is_answer(peer: Peer, websocket: aiohttp.ClientWebSocketResponse) -> bool:
    messages = peer.dialect.unwrap(await websocket.receive_bytes())
    return any(message[:2] == b"\0\1" for message in messages)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each starts (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
