"""The guest, without a page."""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

import pytest
from anyio import create_task_group, wait_all_tasks_blocked
from pycrdt import Text

from examples.editor.guest import ROOM, SENTENCES, TEXT, USER, join, main, visit
from ycore import bind, connect
from ycore.testing import until

BOUND = 20.0

PERSON = {"user": {"name": "Ann"}}

visit_fast = partial(visit, keystroke=0, pause=0)


async def test_it_writes_while_somebody_is_there_and_comes_to_an_end() -> None:
    async with bind("memory"), connect("memory") as client, create_task_group() as tasks:
        tasks.start_soon(visit_fast, client)
        await wait_all_tasks_blocked()
        assert str(client.doc.get(TEXT, type=Text)) == ""
        async with connect("memory") as person:
            person.awareness.set_local_state(PERSON)
            text = person.doc.get(TEXT, type=Text)
            everything = "\n".join(SENTENCES)
            await until(person.doc, lambda: str(text) == everything, timeout=BOUND)


async def test_it_begins_a_line_of_its_own_and_keeps_its_place() -> None:
    async with bind("memory"), connect("memory") as person, connect("memory") as client:
        text = person.doc.get(TEXT, type=Text)
        text += "Grüße"
        person.awareness.set_local_state(PERSON)
        await until(client.doc, lambda: str(client.doc.get(TEXT, type=Text)))
        async with create_task_group() as tasks:
            tasks.start_soon(visit_fast, client)
            await until(person.doc, lambda: "Hello" in str(text), timeout=BOUND)
            text.insert(0, "🐍 ")
            text += "[here, too]"
            await until(person.doc, lambda: SENTENCES[-1] in str(text), timeout=BOUND)
        # Where exactly depends on what the guest had written that the person had not seen yet.
        lines = str(text).replace("[here, too]", "").split("\n")
        assert lines == ["🐍 Grüße", *SENTENCES]


async def test_it_shows_over_zmq_who_and_where_it_is() -> None:
    async with bind("zmq", port=0) as server:
        async with (
            connect("zmq", id=ROOM, endpoint=server.address) as person,
            create_task_group() as tasks,
        ):
            person.awareness.set_local_state(PERSON)
            tasks.start_soon(partial(join, endpoint=server.address))
            states = person.awareness.states
            await until(
                person.awareness, lambda: any(map(cursor_in, states.values())), timeout=BOUND
            )
            [state] = filter(cursor_in, states.values())
            assert state["user"] == USER
            assert cursor_in(state)["head"].keys() == {"type", "tname", "item", "assoc"}
            tasks.cancel_scope.cancel()


def cursor_in(state: dict[str, Any]) -> Any:
    return state.get("cursor")


def test_a_server_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert main(["--port", str(port)]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot reach")
    assert str(port) in line
