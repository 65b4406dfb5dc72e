from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.server import Sandbox
from nexo_bridge.sandbox.stream import PATH, TOKEN_ENDED

Enter = Callable[[str], Awaitable[httpx.AsyncClient]]
Listen = Callable[..., Awaitable[ClientConnection]]
CREATE = {
    "clientTransactionId": "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d",
    "transactionType": "SALE",
    "captureMode": "AUTOMATIC",
    "paymentAmount": {"amount": 1250, "currency": "EUR"},
    "order": {"orderId": "7f1c1f0e-3a55-4c0e-9a53-0d1f8a1b2c3d", "orderDescription": "Bread"},
}


@pytest.fixture
async def listen(sandbox: Sandbox, device: Enter) -> AsyncIterator[Listen]:
    """Opens the stream of a terminal; ``token`` is another one's, if given."""
    async with AsyncExitStack() as stack:

        async def enter(
            poiid: str = "POI00001", query: str = "", token: str | None = None
        ) -> ClientConnection:
            folder = sandbox.config_path.parent / "certificates"
            tls = ssl.create_default_context(cafile=str(folder / "ca.pem"))
            tls.load_cert_chain(folder / f"{poiid}.pem", folder / f"{poiid}.key")
            bearer = token or (await device(poiid)).headers["authorization"]
            url = "wss" + sandbox.api_url.removeprefix("https") + PATH + query
            opened = connect(url, ssl=tls, additional_headers={"Authorization": bearer}, proxy=None)
            return await stack.enter_async_context(opened)

        yield enter


async def pay(device: Enter) -> None:
    answer = await (await device("POI00001")).post("/card-payment/v1/transactions", json=CREATE)
    assert answer.status_code == 201


async def told(stream: ClientConnection) -> tuple[str, str]:
    body = json.loads(await stream.recv())
    return body["status"], body["eventId"]


async def test_a_device_hears_of_its_own_payments(
    sandbox: Sandbox, clock: VirtualClock, device: Enter, listen: Listen
) -> None:
    own, other = await listen(), await listen("POI00002")
    await pay(device)
    clock.advance(4)
    statuses = [(await told(own))[0] for _ in range(5)]

    assert statuses == ["PENDING", "CARD_PRESENTED", "PIN_ENTRY", "AUTHORISING", "APPROVED"]
    assert sandbox.streams.sent == 5
    assert sandbox.streams.open("2097CD800002") == 1
    await other.close()


async def test_it_goes_on_after_the_event_that_is_named(
    device: Enter, clock: VirtualClock, listen: Listen
) -> None:
    first = await listen()
    await pay(device)
    _, event_id = await told(first)
    await first.close()
    clock.advance(4)
    second = await listen(query=f"?lastEventId={event_id}")

    assert [(await told(second))[0] for _ in range(4)][-1] == "APPROVED"


async def test_without_a_name_it_begins_now(device: Enter, clock: VirtualClock, listen: Listen) -> None:
    await pay(device)
    stream = await listen()
    clock.advance(2.5)

    assert (await told(stream))[0] == "CARD_PRESENTED"


@pytest.mark.parametrize(
    ("query", "token", "status"),
    [("?lastEventId=evt_gone", None, 410), ("", "Bearer nonsense", 401), ("?lastEventId=", None, 410)],
)
async def test_what_cannot_be_opened_is_told(
    query: str, token: str | None, status: int, listen: Listen
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await listen(query=query, token=token)
    assert refused.value.response.status_code == status


async def test_a_token_of_another_device_opens_nothing(device: Enter, listen: Listen) -> None:
    bearer = (await device("POI00002")).headers["authorization"]
    with pytest.raises(InvalidStatus) as refused:
        await listen("POI00001", token=bearer)
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(("method", "status"), [("GET", 426), ("POST", 405)])
async def test_it_is_a_websocket(method: str, status: int, device: Enter) -> None:
    assert (await (await device("POI00001")).request(method, PATH)).status_code == status


async def test_a_handshake_that_is_none_is_refused(device: Enter) -> None:
    client = await device("POI00001")
    answer = await client.get(PATH, headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    assert answer.status_code == 400


async def test_an_ended_token_ends_the_stream(device: Enter, clock: VirtualClock, listen: Listen) -> None:
    stream = await listen()
    clock.advance(299)
    await pay(device)
    assert (await told(stream))[0] == "PENDING"
    clock.advance(2)
    with pytest.raises(ConnectionClosed):
        await told(stream)
    assert stream.close_code == TOKEN_ENDED


async def test_pings_are_answered(listen: Listen) -> None:
    stream = await listen()
    async with asyncio.timeout(10):
        await (await stream.ping())


async def test_drop_stream(sandbox: Sandbox, device: Enter, listen: Listen) -> None:
    stream = await listen()
    sandbox.inject("drop-stream")
    await pay(device)
    with pytest.raises(ConnectionClosed):
        await told(stream)
    assert sandbox.streams.owed == 0
    assert sandbox.pending_faults() == {}


async def test_invalid_resume(sandbox: Sandbox, device: Enter, listen: Listen) -> None:
    first = await listen()
    await pay(device)
    _, event_id = await told(first)
    sandbox.inject("invalid-resume")
    with pytest.raises(InvalidStatus) as refused:
        await listen(query=f"?lastEventId={event_id}")
    assert refused.value.response.status_code == 410


async def test_backlog(sandbox: Sandbox, listen: Listen) -> None:
    sandbox.inject("backlog")
    stream = await listen()
    for _ in range(100):
        await told(stream)
    assert len(sandbox.events.logs["2097CD800001"]) == 10_000
    stream.transport.abort()  # the rest is not read
