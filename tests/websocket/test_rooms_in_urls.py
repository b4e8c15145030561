"""Which room a URL names."""

from __future__ import annotations

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from ywire_websocket import WebsocketServer
from ywire_websocket.addresses import room_to_path


async def room_at(prefix: str, path: str) -> str | None:
    """Return the room that opens for whoever connects to a path."""
    async with WebsocketServer(port=0, path=prefix) as server, aiohttp.ClientSession() as session:
        url = URL(f"ws://127.0.0.1:{server.port}{path}", encoded=True)
        try:
            async with session.ws_connect(url) as websocket:
                await websocket.receive(timeout=5)
                (room,) = server.rooms
                return room.id
        except aiohttp.WSServerHandshakeError as exc:
            assert exc.status == 404
            return None


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["/", "/a", "/a/b/"]))
async def test_a_room_is_found_at_its_path(room: str, prefix: str) -> None:
    path = room_to_path(prefix, room)
    assert path.isascii()
    assert await room_at(prefix, path) == room


@pytest.mark.parametrize(
    ("prefix", "path", "room"),
    [
        ("/", "/", ""),
        ("/", "/a/b", "a/b"),
        ("/", "//a", "/a"),
        ("/", "/a%2Fb%252F", "a/b%2F"),
        ("/", "/a%2fb%252f", "a/b%2f"),
        ("/", "/100%", "100%"),
        ("/", "/50%%20off", "50% off"),
        ("/", "/%41", "A"),
        ("/", "/%2541", "%41"),
        ("/", "/a%0Ab", "a\nb"),
        ("/", "/a?token=b", "a"),
        ("/x", "/x", ""),
        ("/x", "/x/", ""),
        ("/x/", "/x/y", "y"),
        ("/x.(1)", "/x.(1)/y", "y"),
        ("/x", "/xy", None),
        ("/x", "/", None),
    ],
)
async def test_paths_that_clients_in_browsers_use(prefix: str, path: str, room: str | None) -> None:
    assert await room_at(prefix, path) == room
