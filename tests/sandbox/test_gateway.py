from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.server import Sandbox

Enter = Callable[[str], Awaitable[httpx.AsyncClient]]
KEY = "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d"
OTHER = "00000000-0000-5000-8000-000000000002"
CARDS = "/card-payment/v1/transactions"
CODES = "/qrcode-payment/v1/transactions"


def _card(amount: int = 1250, key: str = KEY) -> dict[str, Any]:
    return {
        "clientTransactionId": key,
        "transactionType": "SALE",
        "captureMode": "AUTOMATIC",
        "paymentAmount": {"amount": amount, "currency": "EUR"},
        "order": {"orderId": KEY, "orderDescription": "Sale 1"},
    }


def _code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_card_is_charged_once(sandbox: Sandbox, device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00001")
    created = await client.post(CARDS, json=_card())
    assert created.status_code == 201
    body = created.json()
    assert (body["status"], body["deviceId"], body["clientTransactionId"]) == ("PENDING", "2097CD800001", KEY)
    assert (await client.get("/terminal/v1/status")).json() == {"deviceId": "2097CD800001", "state": "BUSY"}

    clock.advance(4)
    read = (await client.get(f"{CARDS}/{body['transactionId']}")).json()
    assert (read["status"], read["authorisedAmount"]) == ("APPROVED", 1250)
    assert [event["status"] for event in read["events"]] == [
        "PENDING",
        "CARD_PRESENTED",
        "PIN_ENTRY",
        "AUTHORISING",
        "APPROVED",
    ]
    found = (await client.get(CARDS, params={"clientTransactionId": KEY})).json()
    assert found == [read]
    assert sandbox.ledger()[0]["charges"] == 1


async def test_a_code_is_shown_and_paid(device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00002")
    body = {
        "paymentType": "KB",
        "paymentScenario": "consumerscan",
        "clientTransactionId": KEY,
        "paymentAmount": {"amount": 2000, "currency": "EUR"},
        "order": {"orderId": KEY, "orderDescription": "Sale 1"},
    }
    created = (await client.post(CODES, json=body)).json()
    assert created["qrCode"]["content"].startswith("https://")
    assert "events" not in created
    clock.advance(4)
    read = (await client.get(f"{CODES}/{created['transactionId']}")).json()
    assert read["status"] == "APPROVED"
    assert "events" not in read


async def test_countries_prove_a_session(device: Enter) -> None:
    client = await device("POI00001")
    assert {"code": "BG", "display": "Bulgaria"} in (await client.get("/resources/v1/countries")).json()


async def test_no_token_no_answer(connect: Enter, device: Enter, clock: VirtualClock) -> None:
    client = await connect("POI00001")
    for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic eDp5"}):
        answer = await client.get("/resources/v1/countries", headers=headers)
        assert _code(answer) == (401, "UNAUTHORISED")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    client = await device("POI00001")
    clock.advance(300)
    assert (await client.get("/resources/v1/countries")).status_code == 401


async def test_the_token_of_another_device_is_refused(connect: Enter, device: Enter) -> None:
    token = (await device("POI00002")).headers["authorization"]
    client = await connect("POI00001")
    answer = await client.get("/terminal/v1/status", headers={"authorization": token})
    assert _code(answer) == (403, "FORBIDDEN")


async def test_merchants_credentials_are_for_the_own_device(sandbox: Sandbox, connect: Enter) -> None:
    client = await connect("POI00001")
    url = f"{sandbox.bases['auth']}/oauth2-mtls/v1/merchants-credentials"
    own = await client.get(url, params={"serial_number": "2097CD800001"})
    assert [sorted(entry) for entry in own.json()] == [
        ["clientId", "clientSecret", "merchantName", "userDomain"]
    ]
    assert _code(await client.get(url, params={"serial_number": "2097CD800002"})) == (403, "FORBIDDEN")
    assert _code(await client.get(url, params={"serial_number": "nobody"})) == (404, "NOT_FOUND")


async def test_tokens_are_refused_in_oauth_form(sandbox: Sandbox, connect: Enter) -> None:
    client = await connect("POI00001")
    url = f"{sandbox.bases['device_auth']}/oauth2-mtls/v1/token"
    wrong = await client.post(url, data={"grant_type": "client_credentials", "client_id": "x"})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    garbage = await client.post(url, content=b"\xff")
    assert (garbage.status_code, garbage.json()["error"]) == (400, "invalid_request")
    sandbox.inject("token-down")
    assert (await client.post(url, data={})).status_code == 503
    assert (await client.post(url, data={})).status_code == 400


async def test_a_certificate_of_no_device_is_refused(sandbox: Sandbox, device: Enter) -> None:
    pair = await asyncio.to_thread(sandbox.authority.client, "stranger", "S9")
    tls = ssl.create_default_context(cafile=str(sandbox.authority.root.certificate))
    tls.load_cert_chain(pair.certificate, pair.key)
    token = (await device("POI00001")).headers["authorization"]
    async with httpx.AsyncClient(base_url=sandbox.api_url, verify=tls) as client:
        answer = await client.get("/terminal/v1/status", headers={"authorization": token})
    assert _code(answer) == (403, "FORBIDDEN")


async def test_each_base_has_its_own_paths(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    assert (await client.get(f"{sandbox.bases['auth']}/resources/v1/countries")).status_code == 404
    assert (await client.get(f"{sandbox.bases['api']}/no/such")).status_code == 404
    assert _code(await client.get(f"{sandbox.bases['api']}/resources/v1/countries")) == (403, "FORBIDDEN")
    assert (await client.delete(CARDS)).status_code == 405


async def test_refusals_of_the_operations_come_through(device: Enter) -> None:
    client = await device("POI00001")
    assert _code(await client.post(CARDS, json={})) == (400, "BAD_REQUEST")
    assert _code(await client.post(CARDS, content=json.dumps(_card()))) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert _code(await client.get(f"{CARDS}/none")) == (404, "NOT_FOUND")
    assert _code(await client.get(CARDS)) == (400, "BAD_REQUEST")
    assert (await client.get(CARDS, params={"clientTransactionId": KEY})).json() == []


async def test_stops_and_displays(device: Enter) -> None:
    client = await device("POI00001")
    shown = await client.post("/terminal/v1/display", json={"format": "TEXT", "text": "Hello"})
    assert (shown.status_code, shown.content) == (204, b"")
    created = (await client.post(CARDS, json=_card())).json()
    aborted = await client.post("/terminal/v1/abort", json={"transactionId": created["transactionId"]})
    assert (aborted.status_code, aborted.content) == (202, b"")
    read = (await client.get(f"{CARDS}/{created['transactionId']}")).json()
    assert (read["status"], read["decline"]["code"]) == ("CANCELLED", "TERMINAL_ABORTED")

    created = (await client.post(CARDS, json=_card())).json()
    cancelled = await client.post(
        f"{CARDS}/{created['transactionId']}/cancel", json={"clientTransactionId": OTHER}
    )
    assert cancelled.status_code == 201
    assert cancelled.json()["originalTransactionId"] == created["transactionId"]


async def test_the_fence(device: Enter) -> None:
    client = await device("POI00001")
    body = {"clientTransactionId": OTHER, "originalClientTransactionId": KEY}
    assert (await client.post(f"{CARDS}/cancel", json=body)).json() == {"found": False}
    assert _code(await client.post(CARDS, json=_card())) == (409, "FENCED")
    await client.post(CARDS, json=_card(key=OTHER))
    found = (await client.post(f"{CARDS}/cancel", json=body | {"originalClientTransactionId": OTHER})).json()
    assert found["found"] is True
    assert found["transaction"]["status"] == "CANCELLED"


@pytest.fixture
def dedup(request: pytest.FixtureRequest) -> bool:
    return getattr(request, "param", False)


@pytest.mark.parametrize("dedup", [True], indirect=True)
async def test_de_duplication_answers_200_with_what_there_is(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    first = await client.post(CARDS, json=_card())
    again = await client.post(CARDS, json=_card())
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["transactionId"] == first.json()["transactionId"]
    assert [row["creates"] for row in sandbox.ledger()] == [2]


# The faults, one test for each line of the table in docs/sandbox.md.


async def test_lose_create_answer(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("lose-create-answer", "POI00001")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(CARDS, json=_card())
    assert len(sandbox.ledger()) == 1
    assert sandbox.pending_faults() == {}


async def test_lose_create_answer_waits_for_a_create_that_is_stored(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("lose-create-answer")
    assert (await client.post(CARDS, json=_card(0))).status_code == 422
    assert sandbox.pending_faults() == {"lose-create-answer": 1}


async def test_lose_create_request(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("lose-create-request")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(CARDS, json=_card())
    assert sandbox.ledger() == []


async def test_create_500_after_storing(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("create-500-after-storing")
    assert _code(await client.post(CARDS, json=_card())) == (500, "INTERNAL")
    assert len(sandbox.ledger()) == 1


async def test_create_409(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("create-409")
    assert _code(await client.post(CARDS, json=_card())) == (409, "CONFLICT")
    assert sandbox.ledger() == []


async def test_read_404_at_first(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    created = (await client.post(CARDS, json=_card())).json()
    sandbox.inject("read-404-at-first", times=2)
    assert (await client.get(f"{CARDS}/{created['transactionId']}")).status_code == 404
    assert (await client.get(CARDS, params={"clientTransactionId": KEY})).json() == []
    assert (await client.get(f"{CARDS}/{created['transactionId']}")).status_code == 200


async def test_unauthorised_once(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("unauthorised-once")
    assert (await client.get("/resources/v1/countries")).status_code == 200
    assert _code(await client.post(CARDS, json=_card())) == (401, "UNAUTHORISED")
    assert sandbox.ledger() == []
    assert (await client.post(CARDS, json=_card())).status_code == 201


async def test_slow_answers(sandbox: Sandbox, device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00001")
    sandbox.inject("slow-answers")
    sandbox.hold("POI00001")
    waiting = asyncio.ensure_future(client.post(CARDS, json=_card()))
    while not sandbox.ledger():  # noqa: ASYNC110 - the platform does not announce that a request has come
        await asyncio.sleep(0)
    clock.advance(4.9)
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.advance(0.1)
    assert (await waiting).status_code == 201


async def test_truncate_answer(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("truncate-answer", operation="create_card")
    assert (await client.get("/terminal/v1/status")).status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(CARDS, json=_card())
    assert len(sandbox.ledger()) == 1


async def test_reset(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("reset")
    with pytest.raises(httpx.ReadError):
        await client.post(CARDS, json=_card())
    assert len(sandbox.ledger()) == 1


async def test_late_create(sandbox: Sandbox, device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00001")
    sandbox.inject("late-create", times=2)
    for key in (KEY, OTHER):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(CARDS, json=_card(key=key))
    body = {"clientTransactionId": OTHER, "originalClientTransactionId": KEY}
    assert (await client.post(f"{CARDS}/cancel", json=body)).json() == {"found": False}
    assert sandbox.ledger() == []
    clock.advance(5)
    assert [row["clientTransactionId"] for row in sandbox.ledger()] == [OTHER]
    assert sandbox.deliver_late() == 0


async def test_late_create_on_demand(sandbox: Sandbox, device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00001")
    sandbox.inject("late-create")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(CARDS, json=_card())
    assert sandbox.deliver_late() == 1
    clock.advance(60)
    assert len(sandbox.ledger()) == 1


async def test_stale_reads(sandbox: Sandbox, device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00001")
    created = (await client.post(CARDS, json=_card())).json()
    clock.advance(4)
    sandbox.inject("stale-reads", times=2)
    assert (await client.get(f"{CARDS}/{created['transactionId']}")).json() == created
    assert (await client.get(CARDS, params={"clientTransactionId": KEY})).json() == [created]
    assert (await client.get(f"{CARDS}/{created['transactionId']}")).json()["status"] == "APPROVED"


async def test_late_approval_after_cancel(sandbox: Sandbox, device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00001")
    sandbox.inject("late-approval-after-cancel")
    created = (await client.post(CARDS, json=_card(1205))).json()
    answer = await client.post(
        f"{CARDS}/{created['transactionId']}/cancel", json={"clientTransactionId": OTHER}
    )
    assert (answer.status_code, answer.content) == (202, b"")
    assert sandbox.ledger()[0]["status"] == "PENDING"
    clock.advance(4)
    assert (sandbox.ledger()[0]["status"], sandbox.ledger()[0]["charges"]) == ("APPROVED", 1)
    assert sandbox.cancels() == []


async def test_late_approval_after_an_abort(sandbox: Sandbox, device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00001")
    sandbox.inject("late-approval-after-cancel")
    created = (await client.post(CARDS, json=_card())).json()
    assert (await client.post("/terminal/v1/abort", json={"transactionId": "none"})).status_code == 404
    body = {"transactionId": created["transactionId"]}
    assert (await client.post("/terminal/v1/abort", json=body)).status_code == 202
    clock.advance(4)
    assert sandbox.ledger()[0]["status"] == "APPROVED"


async def test_a_late_create_that_finds_the_terminal_busy_is_refused(sandbox: Sandbox, device: Enter) -> None:
    client = await device("POI00001")
    sandbox.inject("late-create")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(CARDS, json=_card())
    await client.post(CARDS, json=_card(key=OTHER))
    assert sandbox.deliver_late() == 1
    assert [row["clientTransactionId"] for row in sandbox.ledger()] == [OTHER]


async def test_closing_forgets_what_is_still_on_its_way(
    sandbox: Sandbox, device: Enter, clock: VirtualClock
) -> None:
    client = await device("POI00001")
    sandbox.inject("late-create")
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(CARDS, json=_card())
    await sandbox.close()
    clock.advance(60)
    assert sandbox.ledger() == []


async def test_an_operation_is_answered_with_a_status_and_no_body(sandbox: Sandbox, device: Enter) -> None:
    """Below 400 and above 499 it is carried out; a refusal is one."""
    client = await device("POI00001")
    sandbox.answer_with(422, "create_card", "POI00001")
    sandbox.answer_with(502, "create_card")
    assert (await client.post(CARDS, json=_card())).status_code == 422
    assert sandbox.ledger() == []
    answer = await client.post(CARDS, json=_card())
    assert (answer.status_code, answer.content) == (502, b"")
    assert len(sandbox.ledger()) == 1
    assert (await client.post(CARDS, json=_card())).json()["code"] == "TERMINAL_BUSY"


async def test_a_no_can_be_overturned(sandbox: Sandbox, device: Enter, clock: VirtualClock) -> None:
    client = await device("POI00001")
    await client.post(CARDS, json=_card(1205))
    clock.advance(4)
    sandbox.overturn("POI00001")
    assert [(row["status"], row["charges"]) for row in sandbox.ledger()] == [("APPROVED", 1)]
