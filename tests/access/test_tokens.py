"""A function as the client's token: it is called at every attempt to connect."""

from __future__ import annotations

from anyio import TASK_STATUS_IGNORED, create_task_group, fail_after, sleep_forever
from anyio.abc import TaskStatus

from tests.access.guests import PATIENCE
from tests.life.guest import write
from tests.life.wires import ROOM, Wire, address_of
from ycore import Access, AccessRequest, ClientWire, bind

SERVICE_RESTART = 1012


class Tokens:
    """Gives another one each time."""

    def __init__(self) -> None:
        self.given: list[str] = []

    async def __call__(self) -> str:
        self.given.append(f"token-{len(self.given)}")
        return self.given[-1]


class Desk:
    """An `authorize` that lets everybody in, but fails for some tokens."""

    def __init__(self, *fails_for: str) -> None:
        self.shown: list[str | None] = []
        self._fails_for = fails_for

    async def __call__(self, request: AccessRequest) -> Access:
        token = request.credentials.token
        self.shown.append(token)
        if token in self._fails_for:
            raise ZeroDivisionError
        return Access.READ_WRITE


async def edit(client: ClientWire) -> None:
    """Write something, which arrives once the client is connected."""
    write(client.doc, "edited")
    with fail_after(PATIENCE):
        await client.flush()


async def stay(client: ClientWire, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
    async with client:
        task_status.started()
        await sleep_forever()


async def test_who_is_put_out_comes_back_with_another_token(wire: Wire) -> None:
    desk, tokens = Desk(), Tokens()
    async with (
        wire.server(authorize=desk) as server,
        wire.client(server, token=tokens) as client,
    ):
        (channel,) = (await server.rooms.get(ROOM)).clients
        await channel.aclose(SERVICE_RESTART)
        await edit(client)
    assert desk.shown == tokens.given == ["token-0", "token-1"]


async def test_every_attempt_has_a_token_of_its_own(wire: Wire) -> None:
    """Also the one after an attempt that was refused for now."""
    desk, tokens = Desk("token-1"), Tokens()
    async with (
        wire.server(authorize=desk) as server,
        wire.client(server, token=tokens) as client,
    ):
        (channel,) = (await server.rooms.get(ROOM)).clients
        await channel.aclose(SERVICE_RESTART)
        await edit(client)
    assert desk.shown == tokens.given == ["token-0", "token-1", "token-2"]


async def test_a_server_that_was_started_again_is_shown_another_token(wire: Wire) -> None:
    first_desk, second_desk, tokens = Desk(), Desk(), Tokens()
    async with create_task_group() as tasks:
        async with wire.server(authorize=first_desk) as server:
            client = wire.client(server, token=tokens)
            await tasks.start(stay, client)
        async with bind(wire.name, authorize=second_desk, **address_of(server)):
            await edit(client)
            tasks.cancel_scope.cancel()
    # Attempts in between found nobody.
    assert first_desk.shown == tokens.given[:1]
    assert second_desk.shown == tokens.given[-1:]
    assert len(tokens.given) > 1
