"""The hook that a wire implements, and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from .client import ClientWire
    from .server import ServerWire

__all__ = ["PROJECT_NAME", "Wire", "hookimpl", "hookspec"]

PROJECT_NAME = "ycore"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)
"""Mark a function of a plugin as an implementation of a hook of ycore."""


@dataclass(frozen=True, slots=True)
class Wire:
    """What a plugin offers: the two sides of a transport under one name."""

    name: str
    """The name for `bind` and `connect`; the same as that of the entry point."""

    server: Callable[..., ServerWire] | None
    """Makes the server side, usually the class itself; None if this wire has no server side."""

    client: Callable[..., ClientWire] | None
    """Makes the client side, usually the class itself; None if this wire has no client side."""


@hookspec
def ycore_wires() -> Iterable[Wire]:
    """Return the wires that this plugin offers.

    Called once, when the plugin is first needed. A plugin that is found by an entry point
    offers a wire of that entry point's name.
    """
    return ()
