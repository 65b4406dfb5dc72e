from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from nexo_bridge.ppaas.models import (
    AbortBody,
    Absent,
    Accepted,
    Approved,
    CancelBody,
    CardCreate,
    Declined,
    DisplayBody,
    FenceBody,
    Model,
    NotSent,
    Order,
    Outcome,
    PaymentAmount,
    Pending,
    QrCode,
    QrCreate,
    TerminalIs,
    Transaction,
    Unknown,
    wire,
)
from nexo_bridge.redaction import Secret

TRANSACTION = Transaction(
    transaction_id="t-1",
    client_transaction_id="k-1",
    device_id="d-1",
    status="PENDING",
    amount=1250,
    currency="EUR",
    qr=QrCode(content="pay me"),
    other={"events": [{"sequence": 1, "x": None}]},
)
OUTCOMES: tuple[Outcome, ...] = (
    Approved(transaction=TRANSACTION),
    Declined(transaction=TRANSACTION),
    Pending(transaction=TRANSACTION),
    NotSent(code="DNS", reason="no name"),
    Unknown(reason="lost", status=500),
    Absent(),
    Accepted(),
    TerminalIs(state="IDLE"),
)
ORDER = Order(order_id="o-1", order_description="Sale 1")
AMOUNT = PaymentAmount(amount=1250, currency="EUR")


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_an_outcome_is_journalled_and_read_back_equal(outcome: Outcome) -> None:
    adapter: TypeAdapter[Outcome] = TypeAdapter(Outcome)
    assert adapter.validate_json(json.dumps(outcome.model_dump(mode="json"))) == outcome


BODIES: tuple[Model, ...] = (
    CardCreate(client_transaction_id="k", payment_amount=AMOUNT, tip_amount=100, order=ORDER),
    QrCreate(
        payment_type="KB",
        payment_scenario="merchantscan",
        scanned_payment_id=Secret.seal("2816", b"key"),
        client_transaction_id="k",
        payment_amount=AMOUNT,
        order=ORDER,
    ),
    CancelBody(client_transaction_id="c", payment_amount=AMOUNT),
    FenceBody(client_transaction_id="c", original_client_transaction_id="k"),
    AbortBody(transaction_id="t"),
    DisplayBody(format="QRCODE", qr_content="pay me", duration_seconds=30),
)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_body_is_journalled_and_read_back_equal(body: Model) -> None:
    assert type(body).model_validate_json(json.dumps(body.model_dump(mode="json"))) == body


def test_a_body_is_sent_with_the_platforms_names_and_without_what_is_absent() -> None:
    body = CardCreate(client_transaction_id="k", payment_amount=AMOUNT, order=ORDER)
    assert wire(body) == {
        "clientTransactionId": "k",
        "transactionType": "SALE",
        "captureMode": "AUTOMATIC",
        "paymentAmount": {"amount": 1250, "currency": "EUR"},
        "order": {"orderId": "o-1", "orderDescription": "Sale 1"},
    }


def test_a_scanned_code_is_sent_in_clear_and_journalled_as_its_hmac() -> None:
    body = BODIES[1]
    assert wire(body)["scannedPaymentId"] == "2816"
    dumped = body.model_dump(mode="json")
    assert set(dumped["scanned_payment_id"]) == {"hmac"}
    assert "2816" not in repr(body)
    with pytest.raises(LookupError, match="only its HMAC"):
        wire(QrCreate.model_validate(dumped))


def test_wire_keeps_names_of_a_model_without_wire_names() -> None:
    assert wire(QrCode(content="x")) == {"content": "x"}


@pytest.mark.parametrize("amount", [-1, 10**12, 12.5, "12", True])
def test_an_amount_is_a_whole_number_of_minor_units_in_range(amount: object) -> None:
    with pytest.raises(ValidationError):
        PaymentAmount.model_validate({"amount": amount, "currency": "EUR"})
