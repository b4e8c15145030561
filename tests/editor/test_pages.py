"""People at pages in a real browser, and the guest, who is a program, in one room."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from signal import SIGINT, SIGTERM, Signals
from typing import Any

import pytest
from anyio import create_task_group, fail_after
from pycrdt import Text

from examples.editor.guest import ROOM, SENTENCES, TEXT, USER
from tests.editor.browser import PATIENCE, Browser, Page
from tests.editor.hostile import hostile_states
from tests.editor.program import Program
from tests.network.proxy import open_proxy
from ycore import connect
from ycore.protocol import AwarenessEntry, encode_awareness, encode_entries, encode_step1
from ycore.replica import EMPTY_STATE
from ycore.testing import until

pytestmark = [
    pytest.mark.needs("node", "chromium", "examples/editor", "tests/editor"),
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

GUEST = USER["name"]

PHONE = {"width": 390, "height": 844}

HEADING = "What to take to the lake"

ANNS = "A tent for three, and a lamp for the night, says Ann."

BOBS = "Bob has the boat, two paddles and a bag of oranges."

KEYSTROKE = 60
"""How long a keystroke of theirs takes, in milliseconds: so they write longer than the guest, who
types as fast, thinks between two sentences."""

AT_ONCE = 10.0
"""Much less than the 30 s after which y-websocket itself notices that something is gone."""


async def test_people_and_a_program_write_together(
    program: Program, browser: Browser, screenshots: Path
) -> None:
    async with connect("zmq", id=ROOM, endpoint=program.endpoint) as observer:
        observer.awareness.set_local_state(None)
        text = observer.doc.get(TEXT, type=Text)
        ann = await enter(browser, program, "Ann")
        bob = await enter(browser, program, "Bob")
        await ann.until_names("Ann", "Bob", GUEST)
        await bob.until_names("Bob", "Ann", GUEST)
        # What the guest writes first could get between what is written at the same time.
        await ann.until("eyes.text() !== ''")
        await ann.write(f"{HEADING}\n\n\n")
        await bob.until_text_has(f"{HEADING}\n\n\n")
        await until(observer.doc, lambda: f"{HEADING}\n\n\n" in str(text))
        seen: list[str] = []
        subscription = text.observe(lambda _: seen.append(str(text)))
        await ann.call("press", keys="ArrowUp")
        await bob.call("press", keys="Control+Home")
        await bob.call("press", keys="ArrowDown")
        async with create_task_group() as tasks:
            tasks.start_soon(partial(ann.call, "type", text=ANNS, delay=KEYSTROKE))
            tasks.start_soon(partial(bob.call, "type", text=BOBS, delay=KEYSTROKE))
        await until(observer.doc, lambda: SENTENCES[-1] in str(text), timeout=PATIENCE)
        text.unobserve(subscription)
        for page in (ann, bob):
            await page.until_text_has(SENTENCES[-1])
            assert await page.see("text()") == str(text)
    assert str(text) == "\n".join([HEADING, BOBS, ANNS, *SENTENCES])
    assert_all_wrote_at_once(seen)
    await bob.call("press", keys="Shift+Home")
    for page, other in [(ann, "Bob"), (bob, "Ann")]:
        await page.until_cursors(other, GUEST)
        await page.until_status("Connected")
        assert_same_colors(await page.see("cursors()"), await page.see("people()"))
    await ann.screenshot(screenshots / "ann.png")
    await bob.screenshot(screenshots / "bob.png")
    await ann.close()
    with fail_after(AT_ONCE):
        await bob.until_names("Bob", GUEST)
        await bob.until_cursors(GUEST)
    await bob.close()


async def test_nothing_is_lost_while_a_page_is_offline(
    program: Program, browser: Browser, screenshots: Path
) -> None:
    assert program.url.port is not None
    async with (
        open_proxy(program.url.port) as proxy,
        connect("zmq", id=ROOM, endpoint=program.endpoint) as observer,
    ):
        observer.awareness.set_local_state(None)
        ann = await enter(browser, program, "Ann")
        bob = await browser.open(str(program.url.with_port(proxy.port)))
        await bob.rename("Bob")
        await bob.until_status("Connected")
        await ann.until_names("Ann", "Bob", GUEST)
        proxy.unplug()
        with fail_after(AT_ONCE):
            await bob.until_status("Offline")
            await bob.until_names("Bob")
            await ann.until_names("Ann", GUEST)
        await bob.write("Bob wrote this offline.\n")
        await ann.write("Ann wrote this meanwhile.\n")
        await ann.until_text_has("meanwhile.\n")
        await bob.screenshot(screenshots / "offline.png")
        proxy.plug_in()
        await bob.until_status("Connected")
        for page in (ann, bob):
            await page.until_text_has("Bob wrote this offline.\n")
            await page.until_text_has("Ann wrote this meanwhile.\n")
            # The guest has gone on all the time, and ends with this.
            await page.until_text_has(SENTENCES[-1])
        text = observer.doc.get(TEXT, type=Text)
        await until(observer.doc, lambda: SENTENCES[-1] in str(text), timeout=PATIENCE)
        assert await ann.see("text()") == await bob.see("text()") == str(text)
        assert all(sentence in str(text) for sentence in SENTENCES)
        assert str(text).count("Bob") == str(text).count("Ann") == 1
        await ann.close()
        await bob.close()


async def test_a_page_notices_at_once_that_the_network_is_gone(
    program: Program, browser: Browser
) -> None:
    ann = await enter(browser, program, "Ann")
    for is_offline, status in [(True, "Offline"), (False, "Connected")]:
        await ann.call("setOffline", isOffline=is_offline)
        with fail_after(AT_ONCE):
            await ann.until_status(status)
    await ann.close()


async def test_the_page_suits_a_phone(
    program: Program, browser: Browser, screenshots: Path
) -> None:
    ann = await enter(browser, program, "Ann")
    bob = await enter(browser, program, "Bob, who has a rather long name")
    phone = await browser.open(str(program.url), PHONE)
    await phone.rename("Cleo")
    await phone.write("This was written on a phone.\n")
    await phone.until_text_has(SENTENCES[0])
    await bob.call("press", keys="Control+Home")
    for words in ("And this ", "sits at ", "a desk ", "where there ", "is a wide screen"):
        await bob.call("type", text=words)
        await phone.until_text_has(words)
        # His cursor comes near the edge, where there is no place for his name to its right.
        await phone.until("eyes.cutNames() === 0")
        await phone.screenshot(screenshots / "phone.png")
    assert await phone.see("sidewaysScroll()") <= 0
    for page in (ann, bob, phone):
        await page.close()


async def test_a_name_is_shown_at_once_and_remembered(program: Program, browser: Browser) -> None:
    ann = await enter(browser, program, "Ann")
    bob = await enter(browser, program, "Bob")
    await ann.write("I have a cursor.")
    await bob.until_cursors("Ann", GUEST)
    await ann.rename("Änne <b>")
    await bob.until_names("Bob", "Änne <b>", GUEST)
    await bob.until_cursors("Änne <b>", GUEST)
    await ann.call("reload")
    await bob.until_names("Bob", "Änne <b>", GUEST)
    await ann.until_names("Änne <b>", "Bob", GUEST)
    await ann.close()
    await bob.close()


async def test_undo_takes_back_nothing_of_others(program: Program, browser: Browser) -> None:
    ann = await enter(browser, program, "Ann")
    bob = await enter(browser, program, "Bob")
    await ann.write("Ann's words.\n")
    await bob.until_text_has("Ann's words.\n")
    await bob.write("Bob's words.\n")
    await ann.until_text_has("Bob's words.\n")
    await ann.call("click", button="Undo")
    for page in (ann, bob):
        await page.until("!eyes.text().includes('Ann') && eyes.text().includes('Bob')")
    await ann.call("click", button="Redo")
    await bob.until_text_has("Ann's words.\n")
    await ann.close()
    await bob.close()


async def test_line_ends_of_other_systems_shift_nothing(program: Program, browser: Browser) -> None:
    ann = await enter(browser, program, "Ann")
    async with connect("zmq", id=ROOM, endpoint=program.endpoint) as client:
        text = client.doc.get(TEXT, type=Text)
        text.insert(0, "one\r\ntwo\n")
        await ann.until_text_has("two")
        for keys in ("Control+Home", "ArrowDown", "End"):
            await ann.call("press", keys=keys)
        await ann.call("type", text="!")
        await until(client.doc, lambda: "one\r\ntwo!\n" in str(text), timeout=PATIENCE)
    await ann.close()


async def test_what_others_say_of_themselves_breaks_nothing(
    program: Program, browser: Browser, screenshots: Path
) -> None:
    ann = await enter(browser, program, "Ann")
    bob = await enter(browser, program, "Bob")
    await bob.write("Bob's words.\n")
    async with connect("zmq", id=ROOM, endpoint=program.endpoint) as mallory:
        mallory.doc.get(TEXT, type=Text).insert(0, "Mallory was here.\n")
        states = hostile_states(mallory.doc.client_id)
        async with AsyncExitStack() as stack:
            for state in states:
                client = connect("zmq", id=ROOM, endpoint=program.endpoint)
                client.awareness.set_local_state(state)
                await stack.enter_async_context(client)
            for page in (ann, bob):
                await page.until(f"eyes.names().length === {3 + len(states)}")
            await bob.write("More of Bob's words.\n")
            await ann.until_text_has("More of Bob's words.\n")
            await ann.until("eyes.cursors().some(cursor => cursor.name === 'Bob')")
            await ann.screenshot(screenshots / "hostile.png")
        await ann.until_names("Ann", "Bob", GUEST)
        await ann.until_cursors("Bob", GUEST)
    await ann.close()
    await bob.close()


async def test_what_another_says_of_somebody_who_is_away_is_put_right(
    program: Program, browser: Browser
) -> None:
    assert program.url.port is not None
    async with (
        open_proxy(program.url.port) as proxy,
        connect("zmq", id=ROOM, endpoint=program.endpoint) as watcher,
    ):
        ann = await enter(browser, program, "Ann")
        bob = await browser.open(str(program.url.with_port(proxy.port)))
        await bob.rename("Bob")
        await ann.until_names("Ann", "Bob", GUEST)
        people = watcher.awareness.states
        await until(watcher.awareness, lambda: "Bob" in map(name_of, people.values()))
        (bobs,) = [client for client, person in people.items() if name_of(person) == "Bob"]
        async with connect("zmq", id=ROOM, endpoint=program.endpoint).open() as mallory:
            lie = AwarenessEntry(bobs, 1000, '{"cursor":7}')
            await mallory.send(encode_step1(EMPTY_STATE))
            await mallory.send(encode_awareness(encode_entries([lie])))
            proxy.unplug()
            await bob.until_status("Offline")
            await until(watcher.awareness, lambda: name_of(watcher.awareness.states[bobs]) is None)
            proxy.plug_in()
            await bob.until_status("Connected")
        await ann.until_names("Ann", "Bob", GUEST)
        await bob.write("It is me.\n")
        await ann.until_text_has("It is me.\n")
        await ann.until_cursors("Bob", GUEST)
        await ann.close()
        await bob.close()


async def test_what_is_no_text_breaks_nothing(program: Program, browser: Browser) -> None:
    ann = await enter(browser, program, "Ann")
    async with connect("zmq", id=ROOM, endpoint=program.endpoint) as mallory:
        text = mallory.doc.get(TEXT, type=Text)
        # What the guest writes first could get between what is written at the same time.
        await until(mallory.doc, lambda: str(text), timeout=PATIENCE)
        text.insert(0, "Mallory was here.\n")
        text.insert_embed(0, {"an": "embed"})
        await ann.until_text_has("\ufffcMallory was here.\n")
        bob = await enter(browser, program, "Bob")
        await bob.until_text_has("\ufffcMallory was here.\n")
        await bob.write("Bob's words.\n")
        for page in (ann, bob):
            await page.until_text_has("Bob's words.\n\ufffcMallory was here.\n")
    await ann.close()
    await bob.close()


@pytest.mark.parametrize("signal", [SIGTERM, SIGINT])
async def test_it_ends_at_once_while_pages_are_open(
    program: Program, browser: Browser, signal: Signals
) -> None:
    pages = [await enter(browser, program, name) for name in ("Ann", "Bob")]
    program.process.send_signal(signal)
    with fail_after(5):
        assert await program.process.wait() == 0
    for page in pages:
        await page.until_status("Offline")
        await page.close()


def assert_all_wrote_at_once(seen: list[str]) -> None:
    """Make sure that the guest wrote while both others had begun and had not ended."""
    meanwhile = [
        guests
        for _, bobs, anns, *guests in (text.split("\n") for text in seen)
        if bobs and bobs != BOBS and anns and anns != ANNS
    ]
    assert meanwhile
    assert meanwhile[0] != meanwhile[-1]


def name_of(person: dict[str, Any]) -> object:
    """Return the name in an awareness state."""
    return person.get("user", {}).get("name")


def assert_same_colors(cursors: list[dict[str, str]], people: list[dict[str, str]]) -> None:
    """Make sure that everybody has a colour of their own, at the cursor the same as in the list."""
    colors = {person["name"]: channels(person["color"]) for person in people}
    for cursor in cursors:
        pairs = zip(channels(cursor["color"]), colors[cursor["name"]], strict=True)
        # An eye sees no difference.
        assert all(abs(one - other) < 8 for one, other in pairs)
    assert len({person["color"] for person in people}) == len(people)


def channels(color: str) -> list[int]:
    return [int(channel) for channel in re.findall(r"\d+", color)]


async def enter(browser: Browser, program: Program, name: str) -> Page:
    """Open the page of the room where the guest is."""
    page = await browser.open(str(program.url))
    await page.rename(name)
    await page.until_status("Connected")
    return page
