from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from nexo_bridge.sandbox.ledger import FINAL, YES, Ledger, Transaction, instant

NOW = datetime(2026, 3, 1, 10, 15, 30, tzinfo=UTC)


def _sale(number: int = 1, **changes: Any) -> Transaction:
    values: dict[str, Any] = {
        "transaction_id": f"txn_{number}",
        "key": "KEY",
        "device_id": "S1",
        "method": "card",
        "kind": "SALE",
        "amount": 1250,
        "currency": "EUR",
    }
    return Transaction(**(values | changes))


def test_an_instant_is_utc_to_the_second() -> None:
    assert instant(NOW.astimezone(timezone(timedelta(hours=2)))) == "2026-03-01T10:15:30Z"


def test_a_doubled_create_is_two_rows_and_two_charges() -> None:
    ledger = Ledger()
    for number in (1, 2):
        row = _sale(number)
        row.move("APPROVED", NOW)
        ledger.add(row)
    assert [row["charges"] for row in ledger.payments()] == [1, 1]
    assert [row.transaction_id for row in ledger.by_key("S1", "card", "key")] == ["txn_1", "txn_2"]


def test_keys_belong_to_a_device_and_a_method() -> None:
    ledger = Ledger()
    ledger.add(_sale())
    assert ledger.by_key("S2", "card", "KEY") == []
    assert ledger.by_key("S1", "qr", "KEY") == []
    ledger.fence("S1", "card", "KEY")
    assert ledger.fenced("S1", "card", "key")
    assert not ledger.fenced("S1", "qr", "KEY")
    assert not ledger.fenced("S2", "card", "KEY")


@pytest.mark.parametrize("status", sorted(FINAL | {"PENDING", "AUTHORISING"}))
def test_only_an_approval_is_a_charge(status: str) -> None:
    row = _sale()
    row.move(status, NOW)
    assert row.row()["charges"] == (1 if status in YES else 0)
    assert row.final == (status in FINAL)


def test_a_cancel_is_no_payment() -> None:
    ledger = Ledger()
    ledger.add(_sale(1))
    ledger.add(_sale(2, kind="CANCEL", original="txn_1"))
    assert [row["transactionId"] for row in ledger.payments()] == ["txn_1"]
    assert [(row["kind"], row["original"]) for row in ledger.cancels()] == [("cancel", "txn_1")]


def test_the_row_has_exactly_the_published_fields() -> None:
    assert _sale().row() == {
        "clientTransactionId": "KEY",
        "transactionId": "txn_1",
        "deviceId": "S1",
        "kind": "sale",
        "original": None,
        "amount": 1250,
        "currency": "EUR",
        "status": "PENDING",
        "creates": 1,
        "charges": 0,
    }


def test_the_answer_leaves_out_what_there_is_not() -> None:
    row = _sale()
    row.move("PENDING", NOW)
    assert row.answer() == {
        "transactionId": "txn_1",
        "clientTransactionId": "KEY",
        "transactionType": "SALE",
        "deviceId": "S1",
        "status": "PENDING",
        "paymentAmount": {"amount": 1250, "currency": "EUR"},
        "updatedAt": "2026-03-01T10:15:30Z",
    }
    assert row.answer(events=True)["events"] == [
        {"sequence": 1, "status": "PENDING", "occurredAt": "2026-03-01T10:15:30Z"}
    ]


def test_settling_captures_approved_sales_once() -> None:
    ledger = Ledger()
    row = _sale(1)
    row.move("APPROVED", NOW)
    ledger.add(row)
    ledger.add(_sale(2))
    assert ledger.settle() == 1
    assert ledger.settle() == 0
    assert ledger.by_id("txn_1") is row
    assert row.captured
