"""A room has the same name on every wire, whatever is in it."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.yjs.node import Node
from tests.yjs.servers import WEBSOCKET_SERVERS, Servers

pytestmark = pytest.mark.needs("node", "tests/yjs")

AS_THEY_ARE = [
    "",
    "room",
    "a/b",
    "/a//b/",
    "in the middle",
    "100%",
    "50% of 3%x",
    "ü/日本/👋🏽",
    "\"quoted\" 'too'",
    "a+b",
    "a&b=c;d",
    "[a]{b}<c>|^`~",
    "a:b@c,d!$*()",
]
"""Yjs puts these into its URL unencoded, and the URL parser of a browser (or of Node, which is the
same) makes of them what the server takes for the same name."""

ONLY_ENCODED = [
    "what?",
    "sharp#",
    "%41",
    "a%2Fb",
    " around ",
    "back\\slash",
    "line\nbreak\ttab",
    "a/../b",
    "\0",
]
"""The URL parser changes these, so a Yjs client needs `encodeURIComponent`."""


UNRESERVED = "!'()*"
"""What `encodeURIComponent` leaves as it is, beside what `quote` does."""


def does_not_get_through(name: str, kind: str) -> bool:
    """Whether a name is none for Starlette, whose router knows no line breaks in a path."""
    return kind == "asgi" and "\n" in name


@pytest.mark.parametrize(
    ("name", "servers"),
    [
        (name, kind)
        for name in [*AS_THEY_ARE, *ONLY_ENCODED]
        for kind in WEBSOCKET_SERVERS
        if not does_not_get_through(name, kind)
    ],
    indirect=["servers"],
)
async def test_everybody_meets_in_one_room(node: Node, servers: Servers, name: str) -> None:
    spellings = [quote(name, safe=UNRESERVED)] + [name] * (name in AS_THEY_ARE)
    async with servers.connect("websocket", id=name), servers.connect("zmq", id=name):
        for spelling in spellings:
            for generation in ("13", "14"):
                client = await node.open(generation, servers.url, spelling)
                await client.until_synced()
        (room,) = servers.rooms
        assert room.id == name
        assert len(room.clients) == 2 + 2 * len(spellings)


@pytest.mark.parametrize("spelling", [".", "%2E"])
async def test_a_dot_is_the_room_without_a_name(
    node: Node, servers: Servers, generation: str, spelling: str
) -> None:
    client = await node.open(generation, servers.url, spelling)
    await client.until_synced()
    assert [room.id for room in servers.rooms] == [""]


@pytest.mark.parametrize("spelling", ["..", "%2e%2E"])
async def test_two_dots_lead_out_of_the_rooms(
    node: Node, servers: Servers, generation: str, spelling: str
) -> None:
    client = await node.open(generation, servers.url, spelling)
    await client.until_event("connection-error", "Unexpected server response: 404")
