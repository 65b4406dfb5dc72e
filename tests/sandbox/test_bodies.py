from __future__ import annotations

import json
from typing import Any

import pytest

from nexo_bridge.sandbox.bodies import Cancel, CreateCard, CreateQr, Display, read_body
from nexo_bridge.sandbox.wire import PlatformError, Request

KEY = "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d"
CARD: dict[str, Any] = {
    "clientTransactionId": KEY,
    "transactionType": "SALE",
    "captureMode": "AUTOMATIC",
    "paymentAmount": {"amount": 1250, "currency": "EUR"},
    "order": {"orderId": KEY, "orderDescription": "Sale 1"},
}
QR: dict[str, Any] = {
    "paymentType": "KB",
    "paymentScenario": "consumerscan",
    "scannedPaymentId": "2816000000000000",
    "clientTransactionId": KEY,
    "paymentAmount": {"amount": 2000, "currency": "EUR"},
    "order": {"orderId": KEY, "orderDescription": "Sale 1"},
}


def _request(body: object, content_type: str = "application/json") -> Request:
    return Request("POST", "/", headers={"content-type": content_type}, body=json.dumps(body).encode())


def test_the_printed_sample_is_accepted_as_it_is_printed() -> None:
    body = read_body(_request(QR, "application/json; charset=utf-8"), CreateQr)
    assert body.payment_amount.amount == 2000
    assert body.scanned_payment_id == "2816000000000000"
    assert "2816" not in repr(body)


@pytest.mark.parametrize(
    "change",
    [
        {"clientTransactionId": "17"},
        {"clientTransactionId": None},
        {"transactionType": "GIFT"},
        {"paymentAmount": {"amount": 12.5, "currency": "EUR"}},
        {"paymentAmount": {"amount": "1250", "currency": "EUR"}},
        {"paymentAmount": {"amount": True, "currency": "EUR"}},
        {"paymentAmount": {"amount": -1, "currency": "EUR"}},
        {"paymentAmount": {"amount": 10**12, "currency": "EUR"}},
        {"paymentAmount": {"amount": 1250, "currency": "eur"}},
        {"paymentAmount": {"amount": 1250}},
        {"tipAmount": None},
        {"tipAmount": 1251},
        {"deviceId": "S1"},
        {"order": {"orderId": KEY}},
    ],
)
def test_what_the_contract_does_not_allow_is_400(change: dict[str, Any]) -> None:
    with pytest.raises(PlatformError) as refused:
        read_body(_request(CARD | change), CreateCard)
    assert (refused.value.status, refused.value.code) == (400, "BAD_REQUEST")


def test_the_refusal_never_repeats_what_was_sent() -> None:
    with pytest.raises(PlatformError) as refused:
        read_body(_request(QR | {"scannedPaymentId": ["2816000000000000"]}), CreateQr)
    assert "2816" not in refused.value.detail
    assert "scannedPaymentId" in refused.value.detail


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff"])
def test_what_is_no_object_is_400(body: bytes) -> None:
    with pytest.raises(PlatformError) as refused:
        read_body(Request("POST", "/", headers={"content-type": "application/json"}, body=body), Display)
    assert refused.value.status == 400


def test_another_media_type_is_415() -> None:
    for content_type in ("text/plain", ""):
        with pytest.raises(PlatformError) as refused:
            read_body(_request(CARD, content_type), CreateCard)
        assert refused.value.status == 415


def test_a_cancel_of_all_says_no_amount() -> None:
    assert read_body(_request({"clientTransactionId": KEY}), Cancel).part is None
    part = read_body(
        _request({"clientTransactionId": KEY, "paymentAmount": CARD["paymentAmount"]}), Cancel
    ).part
    assert part is not None
    assert part.amount == 1250
