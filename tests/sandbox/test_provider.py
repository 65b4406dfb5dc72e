from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.provider import CALLBACK_PATH, SPI_PATH, Provider, post
from nexo_bridge.sandbox.server import Options, Sandbox

Enter = Callable[[str], Awaitable[httpx.AsyncClient]]
CREATE = {
    "paymentType": "KB",
    "paymentScenario": "consumerscan",
    "clientTransactionId": "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d",
    "paymentAmount": {"amount": 1250, "currency": "EUR"},
    "order": {"orderId": "7f1c1f0e-3a55-4c0e-9a53-0d1f8a1b2c3d", "orderDescription": "Bread"},
}
QR = "/qrcode-payment/v1/transactions"


@pytest.fixture
async def sandbox(tmp_path: Path, clock: VirtualClock) -> AsyncIterator[Sandbox]:
    options = Options(state=tmp_path / "state", think=4, seed=1, provider=True, clock=clock)
    async with Sandbox(options) as running:
        yield running


def provider_of(sandbox: Sandbox) -> Provider:
    assert sandbox.provider is not None
    return sandbox.provider


async def told(sandbox: Sandbox, count: int) -> list[str]:
    """Statuses of the events that were acknowledged, once there are so many."""
    while len(provider_of(sandbox).told) < count:
        await asyncio.gather(*provider_of(sandbox)._tasks)
        await asyncio.sleep(0)
    return [event["status"] for event in provider_of(sandbox).told]


async def create(device: Enter, **changes: Any) -> dict[str, Any]:
    answer = await (await device("POI00001")).post(QR, json={**CREATE, **changes})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_the_seven_steps(sandbox: Sandbox, clock: VirtualClock, device: Enter) -> None:
    created = await create(device)

    [asked] = provider_of(sandbox).asked
    assert (asked["transactionId"], asked["merchantId"]) == (created["transactionId"], "sandbox-shop")
    assert created["qrCode"]["content"] == "https://wallet.sandbox.invalid/wallet-000001"
    assert base64.b64decode(created["qrCode"]["imageBase64"]).startswith(b"\x89PNG")
    assert sandbox.screens()[0]["content"] == created["qrCode"]["content"]
    clock.advance(2)
    assert await told(sandbox, 1) == ["SCANNED"]
    clock.advance(2)
    assert await told(sandbox, 3) == ["SCANNED", "AUTHORISING", "APPROVED"]
    assert [row["status"] for row in sandbox.ledger()] == ["APPROVED"]
    assert len(sandbox.events.logs[created["deviceId"]]) == 4


@pytest.mark.parametrize(
    ("amount", "status"), [(1205, "DECLINED"), (1210, "PARTIALLY_APPROVED"), (1261, "CANCELLED")]
)
async def test_its_customers_end_as_the_amount_says(
    amount: int, status: str, sandbox: Sandbox, clock: VirtualClock, device: Enter
) -> None:
    await create(device, paymentAmount={"amount": amount, "currency": "EUR"})
    clock.advance(5)
    assert (await told(sandbox, 3))[-1] == status
    assert sandbox.ledger()[0]["status"] == status


async def test_a_code_that_the_cashier_scanned_is_no_providers(
    sandbox: Sandbox, clock: VirtualClock, device: Enter
) -> None:
    await create(device, paymentScenario="merchantscan", scannedPaymentId="281234567890")
    clock.advance(5)
    assert provider_of(sandbox).asked == []
    assert sandbox.ledger()[0]["status"] == "APPROVED"


async def test_a_create_whose_answer_is_lost_is_served_all_the_same(
    sandbox: Sandbox, clock: VirtualClock, device: Enter
) -> None:
    sandbox.inject("lose-create-answer")
    with pytest.raises(httpx.HTTPError):
        await create(device)
    clock.advance(5)
    await told(sandbox, 3)
    assert sandbox.ledger()[0]["status"] == "APPROVED"


async def test_an_event_is_acknowledged_each_time_and_taken_once(
    sandbox: Sandbox, clock: VirtualClock, device: Enter
) -> None:
    created = await create(device)
    callback = provider_of(sandbox).asked[0]["callbackUrl"]
    event = {"eventId": "w-1", "transactionId": created["transactionId"], "status": "SCANNED"}
    for _ in range(2):
        assert await post(callback, event) == (200, {"acknowledged": "w-1"})
    assert len(sandbox.events.logs[created["deviceId"]]) == 2
    assert (await post(callback, {**event, "eventId": "w-2", "status": "DANCING"}))[0] == 400
    assert (await post(callback, {**event, "transactionId": "txn_other"}))[0] == 404
    assert (await post(callback.replace(CALLBACK_PATH, "/other"), event))[0] == 404


async def test_what_the_platform_does_not_take_comes_again(
    sandbox: Sandbox, clock: VirtualClock, device: Enter
) -> None:
    await create(device)
    asked = provider_of(sandbox).asked[0]
    payment = {**asked, "callbackUrl": "http://127.0.0.1:1" + CALLBACK_PATH}
    assert sandbox._gateway is not None
    assert sandbox._gateway.spi is not None
    assert (await post(sandbox._gateway.spi.url + SPI_PATH, payment))[0] == 200
    clock.advance(4)
    await told(sandbox, 3)
    waiting = len(provider_of(sandbox)._timers)
    assert waiting == 3, "three events that nobody took"


async def test_a_provider_that_does_not_answer_ends_the_payment(sandbox: Sandbox, device: Enter) -> None:
    assert sandbox._gateway is not None
    assert sandbox._gateway.spi is not None
    sandbox._gateway.spi.url = "http://127.0.0.1:1"
    created = await create(device)
    assert (created["status"], created["decline"]["code"]) == ("FAILED", "TECHNICAL")


@pytest.mark.parametrize("body", [{}, {"transactionId": "t", "paymentAmount": 5, "callbackUrl": "u"}])
async def test_it_takes_what_it_understands(body: dict[str, Any], sandbox: Sandbox) -> None:
    assert sandbox._gateway is not None
    assert sandbox._gateway.spi is not None
    url = sandbox._gateway.spi.url
    assert (await post(url + SPI_PATH, body))[0] == 400
    assert (await post(url + "/other", body))[0] == 404
