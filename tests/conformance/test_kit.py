"""The rest of ycore.testing: waiting, the fixtures, and what importing it needs."""

import subprocess
import sys
from typing import Any

import pytest
from pycrdt import Awareness, Doc, Text

from ycore import Room, ServerWire, connect
from ycore.testing import until
from ycore.testing.fixtures import memory_server, room_factory  # noqa: F401

pytest_plugins = ["pytester"]


async def test_until_returns_when_the_condition_holds(memory_server: ServerWire) -> None:  # noqa: F811
    async with connect("memory") as ann, connect("memory") as bob:
        text = ann.doc.get("text", type=Text)
        text += "Hello"
        await until(bob.doc, lambda: str(bob.doc.get("text", type=Text)) == "Hello")
    assert [type(room) for room in memory_server.rooms] == [Room]


async def test_until_does_not_wait_for_a_change_if_it_holds_already() -> None:
    await until(Doc(), lambda: True, timeout=0)


async def test_until_tells_what_there_was() -> None:
    doc: Doc[Any] = Doc()
    text = doc.get("text", type=Text)
    text += "Hello, world"
    with pytest.raises(AssertionError, match=r"not within 0\.01 s; there was: text = Hello, world"):
        await until(doc, lambda: str(text) == "Hello", timeout=0.01)


async def test_until_cuts_what_it_tells() -> None:
    doc: Doc[Any] = Doc()
    text = doc.get("text", type=Text)
    text += "x" * 5000
    with pytest.raises(AssertionError, match=r"xx\.\.\. \(5007 characters\)"):
        await until(doc, lambda: False, timeout=0.01)


async def test_until_watches_an_awareness() -> None:
    awareness = Awareness(Doc())
    with pytest.raises(AssertionError, match=r"states \{.*'name': 'Ann'"):
        awareness.set_local_state({"name": "Ann"})
        await until(awareness, lambda: False, timeout=0.01)


async def test_until_leaves_no_subscription() -> None:
    doc: Doc[Any] = Doc()
    calls: list[None] = []

    def condition() -> bool:
        calls.append(None)
        return True

    await until(doc, condition)
    before = len(calls)
    doc.get("text", type=Text).insert(0, "x")
    assert len(calls) == before


def test_users_get_the_fixtures_as_a_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from ycore import Room, connect

        pytest_plugins = ["ycore.testing.fixtures"]
        pytestmark = pytest.mark.anyio

        class Greeting(Room):
            def __init__(self, id):
                super().__init__(id)
                self.doc["greeting"] = self.greeting = __import__("pycrdt").Text("Hello")

        @pytest.fixture
        def room_factory():
            return Greeting

        async def test_greeting(memory_server):
            async with connect("memory", id="room") as client:
                assert "greeting" in client.doc.keys()
                assert [room.id for room in memory_server.rooms] == ["room"]
        """
    )
    pytester.makeini("[pytest]\n")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider", "-W", "error")
    result.assert_outcomes(passed=2)


def python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    return result.stdout + result.stderr


def test_ycore_does_not_import_pytest() -> None:
    assert python("import sys, ycore; print('pytest' in sys.modules)") == "False\n"


def test_a_missing_pytest_is_told() -> None:
    output = python("import sys; sys.modules['pytest'] = None; import ycore.testing")
    assert "ycore.testing needs pytest" in output
