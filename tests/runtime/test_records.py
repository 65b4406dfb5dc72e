from __future__ import annotations

from typing import Any

import structlog

from nexo_bridge.core import decisions as did
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.signals import Forget, Journal
from nexo_bridge.runtime.records import Records


def received(**changes: Any) -> did.Received:
    fields: dict[str, Any] = {
        "request": {},
        "version": "3.1",
        "digest": "d",
        "session": "S1",
        "category": "Payment",
        "sale_id": "POS1",
        "poi_id": "POI00001",
        "service_id": "7",
        "amount": "12.50",
        "currency": "EUR",
    }
    return did.Received(**fields | changes)


SETTLED = did.Settled(result="Failure", condition="Refusal", code="NB-301", status="DECLINED", answer="<x/>")


def feed(records: Records, exchange: str, at: float, decision: did.Decision) -> None:
    stamp = Stamp(int(at * 10), 1_000.0 + at, 50.0 + at)
    records.observe(stamp, Journal(did.entry(decision, stamp, exchange)))


def test_one_record_with_states_and_times_when_it_settles() -> None:
    records = Records()
    with structlog.testing.capture_logs() as logs:
        feed(records, "X1", 0.0, received())
        feed(records, "X1", 0.5, did.Acknowledged(transaction_id="txn_1"))
        feed(records, "X1", 2.0, SETTLED)
        feed(records, "X1", 2.1, did.Delivered())
    assert len(logs) == 1
    record = logs[0]
    assert record["exchange"] == "X1"
    assert record["transaction"] == "txn_1"
    assert record["condition"] == "Refusal"
    assert record["states"] == ["received:0.000", "acknowledged:0.500", "settled:2.000"]
    assert record["seconds"] == 2.0


def test_an_amount_that_was_not_asked_is_not_recorded() -> None:
    records = Records()
    with structlog.testing.capture_logs() as logs:
        feed(records, "X1", 0.0, received(amount=None, currency=None))
        feed(records, "X1", 1.0, SETTLED)
    assert "amount" not in logs[0]


def test_what_began_in_an_earlier_process_or_is_forgotten_gives_no_record() -> None:
    records = Records()
    with structlog.testing.capture_logs() as logs:
        feed(records, "X1", 0.0, SETTLED)
        feed(records, "X2", 0.0, received())
        records.observe(Stamp(9, 1.0, 1.0), Forget("X2"))
        feed(records, "X2", 1.0, SETTLED)
    assert logs == []
