"""From the name of a wire to its classes."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Unpack

import pluggy
import pytest
from anyio.abc import TaskStatus

from ycore import (
    Channel,
    ClientOptions,
    ClientWire,
    DuplicateWireError,
    Room,
    Rooms,
    ServerOptions,
    ServerWire,
    UnknownWireError,
    Wire,
    WireLoadError,
    WireSideError,
    bind,
    connect,
    hookimpl,
    installed_wires,
    register,
    unregister,
    wires,
)


class NowhereServer(ServerWire):
    def __init__(self, *, depth: int = 1, **options: Unpack[ServerOptions]) -> None:
        super().__init__(**options)
        self.depth = depth

    async def listen(self, *, task_status: TaskStatus[None]) -> None:
        task_status.started()


class NowhereClient(ClientWire):
    def __init__(self, *, depth: int = 1, **options: Unpack[ClientOptions]) -> None:
        super().__init__(**options)
        self.depth = depth

    @property
    def address(self) -> str:
        return "nowhere"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Channel]:
        raise ConnectionRefusedError("there is nothing")
        yield


class Plugin:
    def __init__(self, *wires: Wire) -> None:
        self.wires = wires

    @hookimpl
    def ycore_wires(self) -> tuple[Wire, ...]:
        return self.wires


@pytest.fixture
def nowhere() -> Iterator[Plugin]:
    plugin = Plugin(
        Wire("nowhere", server=NowhereServer, client=NowhereClient),
        Wire("oneway", server=None, client=NowhereClient),
        Wire("otherway", server=NowhereServer, client=None),
    )
    register(plugin)
    yield plugin
    unregister(plugin)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Installer]]:
    """Make distributions that are installed for the duration of a test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    Installer.site = tmp_path
    yield Installer
    for name in Installer.modules:
        sys.modules.pop(name, None)
    Installer.modules.clear()


class Installer:
    site: Path
    modules: ClassVar[set[str]] = set()

    @classmethod
    def distribution(cls, name: str, wire: str, source: str) -> None:
        module = name.replace("-", "_")
        cls.modules.add(module)
        (cls.site / f"{module}.py").write_text(textwrap.dedent(source))
        info = cls.site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[ycore.wires]\n{wire} = {module}\n")


def test_a_registered_wire_is_found(nowhere: Plugin) -> None:
    server = bind("nowhere", depth=3)
    assert isinstance(server, NowhereServer)
    assert server.depth == 3
    client = connect("nowhere", id="room", depth=4)
    assert isinstance(client, NowhereClient)
    assert (client.id, client.depth) == ("room", 4)


def test_the_classes_can_be_used_without_their_names() -> None:
    assert NowhereServer(depth=2).depth == 2
    assert NowhereClient(id="x").id == "x"


def test_unregistering_takes_the_wires_back(nowhere: Plugin) -> None:
    unregister(nowhere)
    with pytest.raises(UnknownWireError):
        bind("nowhere")
    with pytest.raises(ValueError, match="is not registered"):
        unregister(nowhere)
    register(nowhere)


def test_a_plugin_is_registered_once(nowhere: Plugin) -> None:
    with pytest.raises(ValueError, match="registered already"):
        register(nowhere)
    assert bind("nowhere")


def test_a_plugin_without_wires_is_refused() -> None:
    with pytest.raises(ValueError, match="offers no wire"):
        register(object())


def test_a_misspelt_hook_is_refused() -> None:
    class Misspelt:
        @hookimpl
        def ycore_wire(self) -> list[Wire]:
            raise AssertionError("never called")

    with pytest.raises(pluggy.PluginValidationError, match="ycore_wire"):
        register(Misspelt())


def test_what_is_no_wire_is_refused() -> None:
    plugin = Plugin("nonsense")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="'nonsense'"):
        register(plugin)
    with pytest.raises(ValueError, match="is not registered"):
        unregister(plugin)


def test_a_name_is_registered_once(nowhere: Plugin) -> None:
    other = Plugin(Wire("another", server=None, client=None), nowhere.wires[0])
    with pytest.raises(DuplicateWireError, match="'nowhere'") as caught:
        register(other)
    assert caught.value.wire == "nowhere"
    assert "another" not in installed_wires()


def test_an_installed_name_cannot_be_registered() -> None:
    with pytest.raises(DuplicateWireError, match="ywire-memory"):
        register(Plugin(Wire("memory", server=None, client=None)))


def test_an_unknown_wire() -> None:
    with pytest.raises(LookupError, match=r"no wire named 'nothing'.*memory") as caught:
        bind("nothing")
    assert isinstance(caught.value, UnknownWireError)
    assert "memory" in caught.value.installed
    assert "pip install" not in str(caught.value)


def test_a_wire_of_this_project_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ycore.wires.entry_points", lambda **_: [])
    with pytest.raises(UnknownWireError, match=r"installed: none.*pip install ywire-zmq"):
        wires._Registry().find("zmq")


def test_a_wire_without_a_side(nowhere: Plugin) -> None:
    with pytest.raises(WireSideError, match="'oneway' has no server side"):
        bind("oneway")
    with pytest.raises(WireSideError, match="'otherway' has no client side"):
        connect("otherway")


def test_a_misspelt_option(nowhere: Plugin) -> None:
    with pytest.raises(TypeError, match=r"no option 'dept'; it takes: .*depth.*max_message_size"):
        bind("nowhere", dept=1)
    with pytest.raises(TypeError, match=r"no option 'reconect'; it takes: .*depth.*reconnect"):
        connect("nowhere", reconect=False)


def test_options_of_a_function(nowhere: Plugin) -> None:
    def make(*, depth: int = 1, **options: Any) -> NowhereServer:
        return NowhereServer(depth=depth + 1, **options)

    def strict(*, room_factory: object, rooms: object, depth: int = 1) -> NowhereServer:
        return NowhereServer(depth=depth)

    plugin = Plugin(
        Wire("made", server=make, client=None), Wire("strict", server=strict, client=None)
    )
    register(plugin)
    try:
        assert bind("made", close_timeout=3).limits.close_timeout == 3
        assert isinstance(bind("strict", depth=3), NowhereServer)
        with pytest.raises(TypeError, match="takes no option 'deep'; it takes: depth"):
            bind("strict", deep=1)
    finally:
        unregister(plugin)


@pytest.mark.parametrize(
    "options",
    [
        {"max_message_size": 0},
        {"handshake_timeout": -1},
        {"send_timeout": float("nan")},
        {"close_timeout": 0},
        {"rooms": Rooms(), "room_factory": lambda _: Room()},
    ],
)
def test_server_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        bind("memory", **options)


@pytest.mark.parametrize("options", [{"connect_timeout": 0}, {"close_timeout": -1}])
def test_client_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        connect("memory", **options)


def test_an_installed_plugin_is_found(install: type[Installer]) -> None:
    install.distribution(
        "somebodys-wire",
        "some",
        """
        from ycore import Wire, hookimpl

        @hookimpl
        def ycore_wires():
            return [Wire("some", server=None, client=None)]
        """,
    )
    assert installed_wires()["some"] == "somebodys-wire"
    assert "somebodys_wire" not in sys.modules
    with pytest.raises(WireSideError):
        bind("some")
    assert "somebodys_wire" in sys.modules


def test_two_distributions_that_claim_one_name(install: type[Installer]) -> None:
    install.distribution("first-wire", "twice", "")
    install.distribution("second-wire", "twice", "")
    with pytest.raises(DuplicateWireError, match="first-wire and second-wire"):
        bind("twice")
    assert installed_wires()["twice"] == "first-wire, second-wire"


@pytest.mark.parametrize(
    ("wire", "source", "message"),
    [
        ("broken", "import no_such_module_at_all", "failed to import.*no_such_module_at_all"),
        ("empty", "", "offers no wire"),
        (
            "other",
            """
            from ycore import Wire, hookimpl

            @hookimpl
            def ycore_wires():
                return [Wire("another", server=None, client=None)]
            """,
            "announces the wire 'other'",
        ),
        (
            "raising",
            """
            from ycore import hookimpl

            @hookimpl
            def ycore_wires():
                raise OSError("no such device")
            """,
            "is unusable: no such device",
        ),
    ],
)
def test_a_plugin_that_cannot_be_used(
    install: type[Installer], wire: str, source: str, message: str
) -> None:
    install.distribution(f"{wire}-wire", wire, source)
    for _ in range(2):
        with pytest.raises(WireLoadError, match=message) as caught:
            connect(wire)
        assert f"{wire}-wire" in str(caught.value)


def test_importing_the_core_imports_no_wire() -> None:
    program = """
        import sys
        import ycore
        print(*(name for name in ("aiohttp", "zmq", "pytest", "trio") if name in sys.modules))
        print(*ycore.installed_wires())
        ycore.bind("memory")
        print(*(name for name in ("aiohttp", "zmq", "ywire_memory") if name in sys.modules))
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    heavy, installed, loaded = result.stdout.splitlines()
    assert heavy == ""
    assert "memory" in installed.split()
    assert loaded == "ywire_memory"
