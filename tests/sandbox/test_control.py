from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from nexo_bridge.sandbox.server import Sandbox

Enter = Callable[[str], Awaitable[httpx.AsyncClient]]
KEY = "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d"


async def _pay(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post(
        "/card-payment/v1/transactions",
        json={
            "clientTransactionId": KEY,
            "transactionType": "SALE",
            "captureMode": "AUTOMATIC",
            "paymentAmount": {"amount": 1250, "currency": "EUR"},
            "order": {"orderId": KEY, "orderDescription": "Sale 1"},
        },
    )
    body: dict[str, Any] = answer.json()
    return body


async def test_the_published_answers(device: Enter, control: httpx.AsyncClient) -> None:
    created = await _pay(await device("POI00002"))
    assert (await control.get("/ledger")).json() == {
        "payments": [
            {
                "clientTransactionId": KEY,
                "transactionId": created["transactionId"],
                "deviceId": "2097CD800002",
                "kind": "sale",
                "original": None,
                "amount": 1250,
                "currency": "EUR",
                "status": "PENDING",
                "creates": 1,
                "charges": 0,
            }
        ]
    }
    assert (await control.get("/terminals")).json() == [
        {"poiid": "POI00001", "serial": "2097CD800001", "state": "IDLE"},
        {"poiid": "POI00002", "serial": "2097CD800002", "state": "BUSY"},
        {"poiid": "POI00003", "serial": "2097CD800003", "state": "IDLE"},
    ]


async def test_faults(control: httpx.AsyncClient) -> None:
    assert (await control.post("/faults", json={"name": "reset", "times": 2})).json() == {"reset": 2}
    body = {"name": "create-409", "poiid": "POI00001", "times": 1, "operation": "create_qr"}
    assert (await control.post("/faults", json=body)).status_code == 200
    assert (await control.get("/faults")).json() == {"reset": 2, "create-409": 1}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/faults", {"name": "explode", "times": 1}),
        ("/faults", {"name": "reset", "times": "1"}),
        ("/faults", {"name": "reset", "times": True}),
        ("/faults", {"name": "reset", "times": 1, "poiid": "POI99999"}),
        ("/faults", {"name": "reset", "times": 1, "poiid": 1}),
        ("/faults", {}),
        ("/faults", []),
        ("/cardholders", {"poiid": "POI00001", "action": "run"}),
        ("/cardholders", {"poiid": "POI99999", "action": "hold"}),
        ("/terminals/POI00001", {"state": "BUSY"}),
        ("/terminals/POI99999", {"state": "IDLE"}),
        ("/think", {"seconds": -1}),
        ("/think", {"seconds": "1"}),
        ("/think", {}),
    ],
)
async def test_wrong_words_are_told(control: httpx.AsyncClient, path: str, body: object) -> None:
    answer = await control.post(path, content=json.dumps(body))
    assert (answer.status_code, answer.json()["code"]) == (400, "BAD_REQUEST")
    assert answer.json()["detail"]


async def test_what_is_not_there(control: httpx.AsyncClient) -> None:
    assert (await control.get("/")).status_code == 404
    assert (await control.post("/ledger")).status_code == 404
    assert (await control.delete("/faults")).status_code == 404
    assert (await control.post("/faults", content=b"{")).status_code == 400


async def test_cardholders_do_as_told(sandbox: Sandbox, device: Enter, control: httpx.AsyncClient) -> None:
    client = await device("POI00001")
    await control.post("/cardholders", json={"poiid": "POI00001", "action": "hold"})
    await _pay(client)
    await control.post("/cardholders", json={"poiid": "POI00001", "action": "decline"})
    await control.post("/cardholders", json={"poiid": "POI00001", "action": "hold"})
    await _pay(client)
    await control.post("/cardholders", json={"poiid": "POI00001", "action": "release"})
    assert [row["status"] for row in sandbox.ledger()] == ["DECLINED", "APPROVED"]


async def test_terminals_break_and_recover(device: Enter, control: httpx.AsyncClient) -> None:
    client = await device("POI00001")
    answer = await control.post("/terminals/POI00001", json={"state": "OUT_OF_ORDER"})
    assert answer.json()[0]["state"] == "OUT_OF_ORDER"
    assert (await _pay(client))["code"] == "TERMINAL_OUT_OF_ORDER"
    await control.post("/terminals/POI00001", json={"state": "IDLE"})
    assert (await _pay(client))["status"] == "PENDING"


async def test_the_rest(sandbox: Sandbox, device: Enter, control: httpx.AsyncClient) -> None:
    client = await device("POI00001")
    assert (await control.post("/think", json={"seconds": 0})).json() == {"seconds": 0}
    created = await _pay(client)
    sandbox.release("POI00001")
    assert (await control.post("/settle")).json() == {"captured": 1}
    assert (await control.post("/late")).json() == {"delivered": 0}
    cancel = await client.post(
        f"/card-payment/v1/transactions/{created['transactionId']}/cancel", json={"clientTransactionId": KEY}
    )
    assert cancel.json()["code"] == "ALREADY_CAPTURED"
    assert (await control.get("/cancels")).json() == {"cancels": []}
    await client.post("/terminal/v1/display", json={"format": "TEXT", "text": "Hello"})
    assert (await control.get("/screens")).json()[0] == {"poiid": "POI00001", "text": "Hello", "content": ""}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://127.0.0.1"},
        {"origin": "null"},
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "192.168.1.10:8080"},
        {"host": "["},
        {"host": ""},
    ],
)
async def test_browsers_are_refused(control: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await control.get("/ledger", headers=headers)).status_code == 403
    assert (
        await control.post("/faults", json={"name": "reset", "times": 1}, headers=headers)
    ).status_code == 403
    assert (await control.get("/faults")).json() == {}


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:1", "[::1]:1"])
async def test_this_machine_is_let_in(control: httpx.AsyncClient, host: str) -> None:
    assert (await control.get("/ledger", headers={"host": host})).status_code == 200


async def test_where_events_go_and_when(sandbox: Sandbox, control: httpx.AsyncClient) -> None:
    url = "https://127.0.0.1:1/ppaas/events/v1"
    assert (await control.post("/webhook", json={"url": url, "secret": "s"})).json() == {"url": url}
    assert (await control.post("/webhook", json={"url": "http://x/"})).status_code == 400
    assert (await control.post("/webhook", json={"url": None})).json() == {"url": None}
    assert (await control.post("/schedule", json={"schedule": "APPROVED=1+2"})).status_code == 200
    assert sandbox.events.schedule == {"APPROVED": (1.0, 2.0)}
    assert (await control.post("/schedule", json={"schedule": "APPROVED"})).status_code == 400
