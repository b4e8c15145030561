"""A server that is killed and started again, while its clients go on writing."""

from __future__ import annotations

from tests.faults.edits import edits_of
from tests.faults.marks import networked_wires
from tests.faults.processes import serving_in_a_process
from tests.faults.status import watching_status
from tests.faults.writing import Writer, until_all_have_all
from ycore.testing import until

PATIENCE = 20.0


async def until_each_reads_news(*writers: Writer) -> None:
    """Wait until everybody has got something that everybody has yet to write."""
    news = {f"{writer.name} {len(writer.written) + 10}" for writer in writers}
    for writer in writers:
        edits = edits_of(writer.client.doc)
        await until(writer.client.doc, lambda: news <= set(edits), timeout=PATIENCE)  # noqa: B023


@networked_wires
async def test_clients_come_back_to_a_server_that_was_killed(wire: str, anyio_backend: str) -> None:
    async with (
        # Who is back is not to be lost once more because the server's process gets no turn.
        serving_in_a_process(wire, anyio_backend, heartbeat=1.0) as server,
        server.join() as one,
        server.join() as two,
    ):
        ann, bob = Writer(one, "Ann"), Writer(two, "Bob")
        async with ann.writing(), bob.writing():
            await until_each_reads_news(ann, bob)
            await ann.until_sees("Bob")
            await bob.until_sees("Ann")
            async with watching_status(one) as status_of_one, watching_status(two) as status_of_two:
                await server.kill()
                await status_of_one.until_lost()
                await status_of_two.until_lost()
                for writer in (ann, bob):
                    assert writer.sees([])
                    for _ in range(10):
                        writer.write()
                await server.start(servers_edits := [f"server {number}" for number in range(10)])
                await status_of_one.until_back()
                await status_of_two.until_back()
        await ann.until_sees("Bob")
        await bob.until_sees("Ann")
        async with server.join() as three:
            cas = Writer(three, "Cas")
            cas.write()
            for writer, others in ((ann, "Bob Cas"), (bob, "Ann Cas"), (cas, "Ann Bob")):
                await writer.until_sees(*others.split())
            everything = [*ann.written, *bob.written, *cas.written, *servers_edits]
            await until_all_have_all([one.doc, two.doc, three.doc], everything)
