"""A guest: a program that joins a room over zmq and writes with the people there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from random import uniform
from typing import Any

import anyio
from anyio import Event, sleep, sleep_forever
from pycrdt import Awareness, Text

from ycore import ClientWire, ConnectError, connect

from .pen import pen_at_end

__all__ = ["ROOM", "SENTENCES", "TEXT", "USER", "join", "visit"]

ROOM = "lobby"
"""The room that the page opens when its address names none."""

TEXT = "codemirror"
"""The name of the text in the shared document, which the page uses too."""

USER = {"name": "Monty (Python)", "color": "#6d3fc0", "colorLight": "#6d3fc033"}

SENTENCES = (
    "Hello! I am a program in Python, and I came in over ZeroMQ.",
    "You came by a browser, over a websocket: to this text it is all the same.",
    "Write wherever you like, right in the middle of my words, too – I keep my place.",
    "Go offline and come back: what was written meanwhile is merged. Voilà!",
)

KEYSTROKE, PAUSE = 0.06, 1.5
"""How long a keystroke takes on average, and how long the guest thinks, in seconds."""


async def join(room: str = ROOM, **where: Any) -> None:
    """Visit a room and stay there.

    Args:
        room: The room's id.
        where: Where its server is; see the options of `ZmqClient`.

    Raises:
        ConnectError: The server cannot be reached, or is lost for good.
    """
    client = connect("zmq", id=room, **where)
    # Before it connects, so that it is not seen without a name.
    show(client.awareness, None)
    async with client:
        await visit(client)
        await sleep_forever()


async def visit(
    client: ClientWire,
    sentences: Sequence[str] = SENTENCES,
    *,
    keystroke: float = KEYSTROKE,
    pause: float = PAUSE,
) -> None:
    """Write some sentences in a client's room, each while somebody else is there to see it."""
    await until_company(client.awareness)
    text = client.doc.get(TEXT, type=Text)
    with pen_at_end(text, TEXT) as pen:
        for sentence in sentences:
            await until_company(client.awareness)
            for character in f"\n{sentence}" if str(text) else sentence:
                await sleep(uniform(0.4, 1.6) * keystroke)
                show(client.awareness, pen.write(character))
            await sleep(pause)


def show(awareness: Awareness, place: dict[str, Any] | None) -> None:
    """Let the others see who the guest is and where, in the terms of y-codemirror.next."""
    cursor = place and {"anchor": place, "head": place}
    awareness.set_local_state({"user": USER, "cursor": cursor})


async def until_company(awareness: Awareness) -> None:
    """Wait until somebody else is in the room."""
    changed = Event()

    def on_change(topic: str, event: tuple[dict[str, Any], Any]) -> None:
        changed.set()

    subscription = awareness.observe(on_change)
    try:
        while not awareness.states.keys() - {awareness.client_id}:
            await changed.wait()
            changed = Event()
    finally:
        awareness.unobserve(subscription)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.editor.guest", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the server's host (127.0.0.1)")
    parser.add_argument("--port", type=int, required=True, help="the server's port for zmq")
    parser.add_argument("--room", default=ROOM, help=f"the room to visit ({ROOM})")
    options = parser.parse_args(arguments)
    try:
        anyio.run(partial(join, options.room, host=options.host, port=options.port))
    except KeyboardInterrupt:
        return 130
    except ConnectError as exc:
        print(f"error: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
