"""The memory wire of ycore: share documents inside one event loop."""

from ycore import Wire, hookimpl

from .client import MemoryClient
from .server import MemoryServer

__all__ = ["MemoryClient", "MemoryServer"]


@hookimpl
def ycore_wires() -> list[Wire]:
    """Offer the wire "memory"."""
    return [Wire("memory", server=MemoryServer, client=MemoryClient)]
