"""From the name of a wire to its classes: the plugin manager, `bind` and `connect`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast, get_type_hints

import pluggy
from pycrdt import Doc

from . import hookspecs
from .client import ClientWire
from .errors import DuplicateWireError, UnknownWireError, WireLoadError, WireSideError
from .hookspecs import PROJECT_NAME, Wire
from .room import Room
from .rooms import RoomFactory, Rooms
from .server import ServerWire

__all__ = ["bind", "connect", "find_wire", "installed_wires", "register", "unregister"]

ENTRY_POINT_GROUP = "ycore.wires"

OWN_WIRES = {"memory", "websocket", "zmq"}
"""The wires of this project, whose distributions are known."""


def bind(
    wire: str,
    room_factory: RoomFactory = Room,
    *,
    rooms: Rooms | None = None,
    **options: Any,
) -> ServerWire:
    """Make a server; entering it as an async context manager makes it reachable.

    Args:
        wire: The name of the wire, for instance "websocket".
        room_factory: Makes a room of an id: `Room`, a subclass, or a function.
        rooms: Open rooms to serve, shared with other servers; instead of `room_factory`.
        options: The options of the wire, and those of `ServerOptions`.

    Returns:
        The server.

    Raises:
        UnknownWireError: No wire of this name is installed.
        WireLoadError: The wire is installed but cannot be used.
        DuplicateWireError: Two plugins claim the name.
        WireSideError: The wire has no server side.
        TypeError: The wire does not take one of the options.
        ValueError: Both `rooms` and `room_factory` are given, or an option makes no sense.
    """
    make = find_wire(wire).server
    if make is None:
        raise WireSideError(wire, f"the wire {wire!r} has no server side: it cannot be bound")
    _check_options(wire, "server", make, options)
    return make(room_factory=room_factory, rooms=rooms, **options)


def connect(wire: str, *, id: str = "", doc: Doc[Any] | None = None, **options: Any) -> ClientWire:  # noqa: A002
    """Make a client; entering it as an async context manager connects.

    Args:
        wire: The name of the wire, for instance "websocket".
        id: The id of the room.
        doc: The document to share; a new one if None. Other clients may use it too.
        options: The options of the wire, and those of `ClientOptions`.

    Returns:
        The client.

    Raises:
        UnknownWireError: No wire of this name is installed.
        WireLoadError: The wire is installed but cannot be used.
        DuplicateWireError: Two plugins claim the name.
        WireSideError: The wire has no client side.
        TypeError: The wire does not take one of the options.
        ValueError: An option makes no sense.
    """
    make = find_wire(wire).client
    if make is None:
        raise WireSideError(wire, f"the wire {wire!r} has no client side: it cannot connect")
    _check_options(wire, "client", make, options)
    return make(id=id, doc=doc, **options)


def register(plugin: object) -> None:
    """Offer the wires of a plugin in this process, without an installed distribution.

    Args:
        plugin: A module or an object with an implementation of the hook `ycore_wires`.

    Raises:
        ValueError: The plugin is registered already, or offers no wire.
        TypeError: The plugin offers something that is no `Wire`.
        pluggy.PluginValidationError: The plugin has a hook that ycore does not know.
        DuplicateWireError: Another plugin offers a wire of the same name.
    """
    _registry.register(plugin)


def unregister(plugin: object) -> None:
    """Take back what `register` did.

    Args:
        plugin: The plugin.

    Raises:
        ValueError: The plugin is not registered.
    """
    _registry.unregister(plugin)


def find_wire(name: str) -> Wire:
    """Return the wire of a name, importing its plugin and no other.

    Args:
        name: The wire's name.

    Raises:
        UnknownWireError: No wire of this name is installed.
        WireLoadError: The wire is installed but cannot be used.
        DuplicateWireError: Two plugins claim the name.
    """
    return _registry.find(name)


def installed_wires() -> dict[str, str]:
    """Return the names of the wires there are, with who provides each; imports none of them."""
    return _registry.providers()


class _Registry:
    """The one place that talks to pluggy."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(PROJECT_NAME)
        # Before any plugin comes: plugins are checked against the specifications there are.
        self._manager.add_hookspecs(hookspecs)
        self._wires: dict[str, tuple[Wire, object]] = {}
        self._loaded: dict[str, Wire] = {}

    def register(self, plugin: object) -> None:
        if self._manager.is_registered(plugin):
            raise ValueError(f"{plugin!r} is registered already")
        wires = self._wires_of(plugin)
        for wire in wires:
            self._check_free(wire.name, plugin)
        self._wires |= {wire.name: (wire, plugin) for wire in wires}

    def unregister(self, plugin: object) -> None:
        if not self._manager.is_registered(plugin):
            raise ValueError(f"{plugin!r} is not registered")
        self._manager.unregister(plugin)
        self._wires = {n: entry for n, entry in self._wires.items() if entry[1] is not plugin}

    def find(self, name: str) -> Wire:
        if name in self._wires:
            return self._wires[name][0]
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def providers(self) -> dict[str, str]:
        found = {name: f"{plugin!r}" for name, (_, plugin) in self._wires.items()}
        for entry_point in entry_points(group=ENTRY_POINT_GROUP):
            provider = _distribution(entry_point)
            if entry_point.name in found:
                provider = f"{found[entry_point.name]}, {provider}"
            found[entry_point.name] = provider
        return dict(sorted(found.items()))

    def _load(self, name: str) -> Wire:
        entry_point = self._entry_point(name)
        try:
            plugin = entry_point.load()
        except Exception as exc:
            raise WireLoadError(
                name, f"the wire {name!r} of {_distribution(entry_point)} failed to import: {exc}"
            ) from exc
        try:
            wires = [wire for wire in self._wires_of(plugin) if wire.name == name]
        except Exception as exc:
            raise WireLoadError(
                name, f"the wire {name!r} of {_distribution(entry_point)} is unusable: {exc}"
            ) from exc
        if len(wires) != 1:
            self._manager.unregister(plugin)
            raise WireLoadError(
                name,
                f"{_distribution(entry_point)} announces the wire {name!r} but offers "
                f"{len(wires)} of that name",
            )
        return wires[0]

    def _entry_point(self, name: str) -> EntryPoint:
        found = list(entry_points(group=ENTRY_POINT_GROUP, name=name))
        if not found:
            raise UnknownWireError(name, _unknown(name, self.providers()), self.providers())
        if len(found) > 1:
            claimants = " and ".join(sorted(_distribution(entry_point) for entry_point in found))
            raise DuplicateWireError(
                name, f"the wire {name!r} is claimed by {claimants}: uninstall all but one"
            )
        return found[0]

    def _wires_of(self, plugin: object) -> list[Wire]:
        """Call the hook of one plugin."""
        self._manager.register(plugin)
        try:
            self._manager.check_pending()
            others = [p for p in self._manager.get_plugins() if p is not plugin]
            hook = self._manager.subset_hook_caller("ycore_wires", others)
            return _checked(hook(), plugin)
        except BaseException:
            self._manager.unregister(plugin)
            raise

    def _check_free(self, name: str, plugin: object) -> None:
        claimants = self.providers().get(name)
        if claimants is not None:
            self._manager.unregister(plugin)
            raise DuplicateWireError(
                name, f"the wire {name!r} is claimed by {claimants} and {plugin!r}"
            )


_registry = _Registry()


def _checked(results: Iterable[Iterable[object]], plugin: object) -> list[Wire]:
    wires = [wire for result in results for wire in result]
    for wire in wires:
        if not isinstance(wire, Wire):
            raise TypeError(f"ycore_wires of {plugin!r} returned {wire!r}, which is no Wire")
    if not wires:
        raise ValueError(f"{plugin!r} offers no wire: it needs the hook ycore_wires")
    return cast("list[Wire]", wires)


def _unknown(name: str, installed: Mapping[str, str]) -> str:
    message = f"no wire named {name!r} is installed (installed: {', '.join(installed) or 'none'})"
    if name in OWN_WIRES:
        message += f"; install it with: pip install ywire-{name}"
    return message


def _distribution(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else entry_point.value


def _check_options(
    wire: str, side: str, make: Callable[..., object], options: Mapping[str, object]
) -> None:
    """Refuse an option that a wire does not take, in words that help.

    Raises:
        TypeError: The wire does not take one of the options.
    """
    if not isinstance(make, type) and _passes_options_on(make):
        return
    accepted = accepted_options(make)
    unknown = sorted(options.keys() - accepted.keys())
    if unknown:
        raise TypeError(
            f"the {side} of the wire {wire!r} takes no option {', '.join(map(repr, unknown))}; "
            f"it takes: {', '.join(sorted(accepted))}"
        )


def accepted_options(make: Callable[..., object]) -> dict[str, Any]:
    """Return the options that a side of a wire takes, with their types.

    A class whose constructor takes `**options` passes them on to that of its base.
    """
    accepted: dict[str, Any] = {}
    for constructor in _constructors(make):
        hints = get_type_hints(constructor)
        parameters = inspect.signature(constructor).parameters.values()
        for parameter in parameters:
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                accepted.setdefault(parameter.name, hints.get(parameter.name, Any))
        if not _passes_options_on(constructor):
            break
    return accepted


def _passes_options_on(make: Callable[..., object]) -> bool:
    parameters = inspect.signature(make).parameters.values()
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def _constructors(make: Callable[..., object]) -> Iterable[Callable[..., object]]:
    if not isinstance(make, type):
        return [make]
    return [vars(cls)["__init__"] for cls in make.__mro__ if "__init__" in vars(cls)]
