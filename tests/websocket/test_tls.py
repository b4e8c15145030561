"""TLS, with certificates made on the spot: the server's, the clients', and wrong ones."""

from __future__ import annotations

import logging
import ssl
from typing import Any

import pytest
import trustme
from anyio import BrokenResourceError, EndOfStream, connect_tcp, create_task_group, fail_after
from anyio.abc import TaskStatus
from pycrdt import Text

from ycore import Access, AccessRequest, ConnectError
from ycore.testing import until
from ywire_websocket import WebsocketClient, WebsocketServer

AUTHORITY, ANOTHER = trustme.CA(), trustme.CA()


def server_context(
    *, clients_of: trustme.CA | None = None, host: str = "127.0.0.1"
) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(host).configure_cert(context)
    if clients_of is not None:
        clients_of.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(
    *, trusting: trustme.CA = AUTHORITY, certificate: trustme.LeafCert | None = None
) -> ssl.SSLContext:
    context = ssl.create_default_context()
    trusting.configure_trust(context)
    if certificate is not None:
        certificate.configure_cert(context)
    return context


async def assert_refused(server: WebsocketServer, match: str, **options: Any) -> None:
    """The client is told what is wrong, and others are not disturbed."""
    with fail_after(10), pytest.raises(ConnectError, match=match) as caught:
        async with WebsocketClient(**{"url": server.address, **options}):
            raise AssertionError("connected")
    assert server.address.split("://")[1] in str(caught.value)
    assert server.stats().connections == 0


async def test_an_authority_of_ones_own() -> None:
    async with WebsocketServer(port=0, ssl_context=server_context()) as server:
        options: dict[str, Any] = {"url": server.address, "ssl_context": client_context()}
        async with WebsocketClient(**options) as one, WebsocketClient(**options) as two:
            one.doc["text"] = Text("x" * 1_000_000)
            await one.flush()
            text = two.doc.get("text", type=Text)
            await until(two.doc, lambda: len(str(text)) == 1_000_000)


async def test_the_end_of_a_server_is_nobody_s_fault(caplog: pytest.LogCaptureFixture) -> None:
    told: list[int | None] = []

    async def read(client: WebsocketClient, *, task_status: TaskStatus[None]) -> None:
        async with client.open() as channel:
            await channel.receive()
            task_status.started()
            async for _ in channel:
                pass
            told.append(channel.close_code)

    with fail_after(10):
        async with create_task_group() as tasks:
            async with WebsocketServer(port=0, ssl_context=server_context()) as server:
                context = client_context()
                await tasks.start(read, WebsocketClient(url=server.address, ssl_context=context))
    assert told == [1001]
    assert not server.stats().drops
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("trusting", [ANOTHER, None])
async def test_a_server_that_the_client_does_not_trust(trusting: trustme.CA | None) -> None:
    context = None if trusting is None else client_context(trusting=trusting)
    async with WebsocketServer(port=0, ssl_context=server_context()) as server:
        await assert_refused(server, "certificate verify failed", ssl_context=context)


async def test_a_certificate_for_another_host() -> None:
    async with WebsocketServer(port=0, ssl_context=server_context(host="example.org")) as server:
        await assert_refused(server, "certificate is not valid", ssl_context=client_context())


async def test_a_plain_client() -> None:
    async with WebsocketServer(port=0, ssl_context=server_context()) as server:
        await assert_refused(server, "cannot reach", url=server.address.replace("wss", "ws"))


async def test_a_plain_server() -> None:
    async with WebsocketServer(port=0) as server:
        url = server.address.replace("ws", "wss")
        await assert_refused(server, "cannot reach", url=url, ssl_context=client_context())


async def test_clients_show_certificates() -> None:
    asked: list[AccessRequest] = []

    async def authorize(request: AccessRequest) -> Access:
        asked.append(request)
        return Access.READ_WRITE

    context = server_context(clients_of=AUTHORITY)
    certificate = AUTHORITY.issue_cert("ann@example.org", common_name="Ann")
    async with (
        WebsocketServer(port=0, ssl_context=context, authorize=authorize) as server,
        WebsocketClient(
            url=server.address, ssl_context=client_context(certificate=certificate)
        ) as client,
    ):
        await client.flush()
    (request,) = asked
    assert request.credentials.certificate is not None
    subject = dict(pair for part in request.credentials.certificate["subject"] for pair in part)
    assert subject["commonName"] == "Ann"
    assert request.credentials.are_given


async def test_who_shows_no_certificate() -> None:
    context = server_context(clients_of=AUTHORITY)
    async with WebsocketServer(port=0, ssl_context=context) as server:
        await assert_refused(server, "cannot reach", ssl_context=client_context())


async def test_who_shows_a_certificate_of_another_authority() -> None:
    context = server_context(clients_of=AUTHORITY)
    wrong = client_context(certificate=ANOTHER.issue_cert("eve@example.org"))
    async with WebsocketServer(port=0, ssl_context=context) as server:
        await assert_refused(server, "cannot reach", ssl_context=wrong)


async def test_who_does_not_shake_hands_is_dropped() -> None:
    async with WebsocketServer(
        port=0, ssl_context=server_context(), handshake_timeout=0.2
    ) as server:
        async with await connect_tcp("127.0.0.1", server.port) as stream:
            with fail_after(5), pytest.raises((EndOfStream, BrokenResourceError)):
                await stream.receive()
