"""Scenes in a process of their own: a crash in there is a failure here, and no more.

A scene is a coroutine function that takes a stage. pycrdt can end a process without asking, and a
scene has clients in it, so neither it nor the server may be in the process of the tests.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable
from select import select
from typing import IO, Any, Concatenate, ParamSpec

import anyio
from anyio import to_thread

from tests.fuzz.stage import ROOT, Carrier, Stage, environment, open_stage

__all__ = ["Sandbox", "SceneFailedError"]

Arguments = ParamSpec("Arguments")


class SceneFailedError(Exception):
    """A scene failed, crashed or took too long."""


class Sandbox:
    """A process with one stage, on which scenes play one after another."""

    def __init__(self, carrier: Carrier) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.sandbox", *carrier],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            # For memory to be measured; the server inherits it.
            env=environment() | {"PYTHONMALLOC": "malloc"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests: IO[bytes] = self._process.stdin
        self._replies: IO[bytes] = self._process.stdout

    def play(
        self,
        scene: Callable[Concatenate[Stage, Arguments], Awaitable[object]],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Any:
        """Play a scene; return what it returns.

        Raises:
            SceneFailedError: It failed, or its process died.
        """
        self.begin(scene, *arguments, **options)
        return self.result(60)

    def begin(
        self,
        scene: Callable[Concatenate[Stage, Arguments], Awaitable[object]],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> None:
        """Begin to play a scene."""
        try:
            pickle.dump((scene, arguments, options), self._requests)
            self._requests.flush()
        except BrokenPipeError:
            raise SceneFailedError(f"the sandbox was gone already: {self._fate()}") from None

    def is_done(self, patience: float) -> bool:
        """Wait for the end of a scene; return whether it has ended."""
        return bool(select([self._replies], [], [], patience)[0])

    def result(self, patience: float) -> Any:
        """Return what a scene that was begun has returned.

        Raises:
            SceneFailedError: It failed, or its process died.
        """
        if not self.is_done(patience):
            raise SceneFailedError(f"not done within {patience} s")
        try:
            failure, result = pickle.load(self._replies)
        except EOFError:
            raise SceneFailedError(f"the sandbox has crashed: {self._fate()}") from None
        if failure is not None:
            raise SceneFailedError(failure)
        return result

    def close(self) -> None:
        """End the process, and with it its server."""
        self._process.kill()
        self._process.wait()
        self._requests.close()
        self._replies.close()

    def _fate(self) -> str:
        code = self._process.wait()
        return signal.Signals(-code).name if code < 0 else f"code {code}"


async def _perform(carrier: Carrier, requests: IO[bytes], replies: IO[bytes]) -> None:
    async with open_stage(carrier) as stage:
        while True:
            try:
                request = await to_thread.run_sync(pickle.load, requests, abandon_on_cancel=True)
            except EOFError:
                return
            scene, arguments, options = request
            failure = result = None
            try:
                result = await scene(stage, *arguments, **options)
            except Exception:  # noqa: BLE001 - the caller is told
                failure = f"{await stage.fate()}\n{traceback.format_exc()}"
            pickle.dump((failure, result), replies)
            replies.flush()


def _main() -> None:
    faulthandler.enable()
    replies = os.fdopen(os.dup(1), "wb")
    # What anything prints is not to be taken for a reply.
    os.dup2(2, 1)
    carrier = Carrier(*sys.argv[1:])
    anyio.run(_perform, carrier, sys.stdin.buffer, replies, backend=carrier.loop)


if __name__ == "__main__":
    _main()
