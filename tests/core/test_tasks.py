"""Tasks beside a block, and what comes out of it."""

from __future__ import annotations

import pytest
from anyio import CancelScope, Event, create_task_group, sleep_forever
from anyio.lowlevel import checkpoint

from ycore import ConnectError
from ycore.tasks import background_tasks


async def test_the_error_of_a_task_cancels_the_block_and_comes_out_as_itself() -> None:
    async def fail() -> None:
        raise ConnectError("nobody is there")

    with pytest.raises(ConnectError):
        async with background_tasks() as tasks:
            tasks.start_soon(fail)
            await sleep_forever()


async def test_the_error_of_a_task_group_inside_a_task_comes_out_as_itself() -> None:
    async def fail() -> None:
        async with create_task_group():
            raise ConnectError("nobody is there")

    with pytest.raises(ConnectError):
        async with background_tasks() as tasks:
            tasks.start_soon(fail)
            await sleep_forever()


@pytest.mark.parametrize("nested", [False, True])
async def test_an_error_comes_out_as_itself_though_the_block_is_cancelled_in_that_moment(
    nested: bool,
) -> None:
    async def fail() -> None:
        scope.cancel()
        if not nested:
            raise ConnectError("nobody is there")
        async with create_task_group() as inner:
            inner.start_soon(sleep_forever)
            raise ConnectError("nobody is there")

    with CancelScope() as scope:
        with pytest.raises(ConnectError):
            async with background_tasks() as tasks:
                tasks.start_soon(fail)
                await sleep_forever()
        # The cancellation is not forgotten: it comes with the next chance.
        await checkpoint()
    assert scope.cancelled_caught


async def test_who_is_only_cancelled_sees_no_error() -> None:
    stopped = Event()

    async def stay() -> None:
        try:
            await sleep_forever()
        finally:
            stopped.set()

    with CancelScope() as scope:
        async with background_tasks() as tasks:
            tasks.start_soon(stay)
            scope.cancel()
            await sleep_forever()
    assert scope.cancelled_caught
    assert stopped.is_set()


async def test_several_errors_stay_together() -> None:
    async def fail() -> None:
        raise ConnectError("nobody is there")

    with pytest.raises(ExceptionGroup) as caught:
        async with background_tasks() as tasks:
            tasks.start_soon(fail)
            try:
                await sleep_forever()
            finally:
                raise ValueError("the block's own")
    assert {type(error) for error in caught.value.exceptions} == {ConnectError, ValueError}
