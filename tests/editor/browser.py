"""Pages in a real browser, which a process of Node.js drives."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from anyio import Event, create_task_group, fail_after, open_process
from anyio.abc import Process
from anyio.streams.text import TextReceiveStream

__all__ = ["PATIENCE", "Browser", "Page", "run_browser"]

PATIENCE = 60.0
"""How long something may take in the browser, in seconds."""

DRIVER = Path(__file__).with_name("driver") / "driver.js"

DESKTOP = {"width": 1100, "height": 720}


class Browser:
    """A browser: each of its pages is another person's."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._calls = 0
        self._replies: dict[int, dict[str, Any]] = {}
        self._replied = Event()

    async def open(self, url: str, viewport: dict[str, int] = DESKTOP) -> Page:
        page = Page(self, f"page {self._calls}")
        await page.call("open", url=url, viewport=viewport)
        return page

    async def call(self, name: str, **details: Any) -> Any:
        self._calls += 1
        number = self._calls
        line = json.dumps({"id": number, "call": name, **details}) + "\n"
        assert self._process.stdin is not None
        await self._process.stdin.send(line.encode())
        with fail_after(PATIENCE + 10):
            while number not in self._replies:
                await self._replied.wait()
        reply = self._replies.pop(number)
        assert "error" not in reply, f"{name} {details}: {reply['error']}"
        return reply["result"]

    async def read_replies(self) -> None:
        assert self._process.stdout is not None
        rest = ""
        async for text in TextReceiveStream(self._process.stdout):
            *lines, rest = (rest + text).split("\n")
            for reply in map(json.loads, lines):
                self._replies[reply["id"]] = reply
            self._replied.set()
            self._replied = Event()


class Page:
    """A page; see `driver/eyes.js` for what can be seen there."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self._name = name

    async def call(self, call: str, **details: Any) -> Any:
        return await self._browser.call(call, page=self._name, **details)

    async def see(self, what: str) -> Any:
        """Return what a call of one of `eyes` gives."""
        return await self.call("evaluate", expression=f"eyes.{what}")

    async def until(self, condition: str) -> None:
        """Wait until a JavaScript expression is true, for instance of what `eyes` see."""
        await self.see(f"until(() => {condition}, {PATIENCE})")

    async def until_text_has(self, part: str) -> None:
        await self.until(f"eyes.text().includes({json.dumps(part)})")

    async def until_status(self, start: str) -> None:
        await self.until(f"eyes.status().startsWith({json.dumps(start)})")

    async def until_names(self, *names: str) -> None:
        """Wait until exactly these people are in the list, this page's own first."""
        await self.until(f"JSON.stringify(eyes.names()) === JSON.stringify({json.dumps(names)})")

    async def until_cursors(self, *names: str) -> None:
        """Wait until the cursors of exactly these people are in the text, in any order."""
        await self.until(
            "JSON.stringify(eyes.cursors().map(cursor => cursor.name).sort())"
            f" === JSON.stringify({json.dumps(sorted(names))})"
        )

    async def write(self, text: str) -> None:
        """Type some text before all other, where it cannot get into what others just write."""
        await self.call("press", keys="Control+Home")
        await self.call("type", text=text)

    async def rename(self, name: str) -> None:
        await self.call("fill", label="Your name", text=name)

    async def screenshot(self, path: Path) -> None:
        await self.call("screenshot", path=str(path))

    async def close(self) -> None:
        """Close the page.

        Raises:
            AssertionError: The browser has reported an error in it.
        """
        faults = await self.call("faults")
        await self.call("close")
        assert faults == []


@asynccontextmanager
async def run_browser() -> AsyncIterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium is not None
    async with await open_process(["node", str(DRIVER), chromium], stderr=None) as process:
        browser = Browser(process)
        async with create_task_group() as tasks:
            tasks.start_soon(browser.read_replies)
            yield browser
            assert process.stdin is not None
            # It closes the browser then.
            await process.stdin.aclose()
            await process.wait()
