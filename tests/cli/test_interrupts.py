"""What an interrupt ends."""

from anyio import Event, create_task_group, sleep_forever, wait_all_tasks_blocked

from ycore.cli.interrupts import Interrupts


async def test_each_interrupt_ends_one_block() -> None:
    interrupts = Interrupts()
    ended: list[str] = []
    leaving = Event()

    async def work() -> None:
        with interrupts.end_this():
            try:
                with interrupts.end_this():
                    await sleep_forever()
                ended.append("inner")
                leaving.set()
                await sleep_forever()
            finally:
                ended.append("outer")

    async with create_task_group() as tasks:
        tasks.start_soon(work)
        interrupts.interrupt()  # There is no block yet.
        await wait_all_tasks_blocked()
        interrupts.interrupt()
        await leaving.wait()
        assert ended == ["inner"]
        interrupts.interrupt()
    assert ended == ["inner", "outer"]
    interrupts.interrupt()
