"""What somebody may say of themselves to harm the pages of others."""

from __future__ import annotations

from typing import Any

__all__ = ["hostile_states"]


def hostile_states(client: int) -> list[Any]:
    """Return awareness states that are no states of an editor.

    Args:
        client: The id of somebody who has written something.
    """
    users: list[Any] = [
        None,
        7,
        [],
        "user",
        {"name": None, "color": None},
        {"name": {"toString": "x"}, "color": ["#ff0000"]},
        {"name": "", "color": "red"},
        {"name": "\u202e\u0000\n", "color": "#ff0000\n"},
        {"name": "<img src=x onerror=alert(1)>", "color": "#f00; position: fixed; inset: 0"},
        {"name": "x" * 100_000, "color": "url(javascript:alert(1))", "colorLight": "red;inset:0"},
        {"name": "\ud83d", "color": "#ffff00"},
    ]
    places: list[Any] = [
        7,
        "place",
        {},
        {"item": 7},
        {"item": {"client": client, "clock": 5.5}},
        {"item": {"client": client, "clock": -1}},
        {"item": {"client": client, "clock": "x"}},
        {"item": {"client": client, "clock": 2**53}},
        {"item": {"client": {}, "clock": {}}, "assoc": []},
        {"type": {"client": client, "clock": 0}},
        {"tname": "of another text", "item": None},
    ]
    good_place = {"item": {"client": client, "clock": 0}}
    cursors = [
        7,
        {},
        {"anchor": None},
        *({"anchor": place, "head": good_place} for place in places),
        *({"anchor": good_place, "head": place} for place in places),
    ]
    return [
        7,
        "state",
        True,
        [],
        *({"user": user} for user in users),
        *({"user": user, "cursor": {"anchor": {}, "head": {}}} for user in users),
        *({"cursor": cursor} for cursor in cursors),
    ]
