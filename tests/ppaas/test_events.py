from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexo_bridge.ppaas.events import MAX_EVENT, Told, read
from nexo_bridge.ppaas.models import Approved, Declined, Pending

EVENT: dict[str, Any] = {
    "eventId": "evt_1",
    "eventType": "transaction.updated",
    "occurredAt": "2026-03-01T10:15:34Z",
    "sequence": 5,
    "transactionId": "txn_1",
    "clientTransactionId": "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d",
    "deviceId": "2097CD800001",
    "status": "APPROVED",
    "paymentAmount": {"amount": 1250, "currency": "EUR"},
    "authorisedAmount": 1250,
}


def told(**changes: Any) -> Told:
    fields = {name: value for name, value in {**EVENT, **changes}.items() if value is not ...}
    return read(json.dumps(fields).encode())


def test_an_event_says_what_a_read_would_say() -> None:
    event = told()

    assert (event.event_id, event.sequence, event.device_id) == ("evt_1", 5, "2097CD800001")
    assert isinstance(event.outcome, Approved)
    assert event.outcome.transaction.authorised == 1250
    assert event.outcome.transaction.other == {}
    assert event.problem is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [("DECLINED", Declined), ("PIN_ENTRY", Pending), ("REVIEWED", Pending), ("PARTIALLY_APPROVED", Approved)],
)
def test_a_status_we_do_not_know_is_never_final(status: str, kind: type) -> None:
    assert isinstance(told(status=status).outcome, kind)


def test_fields_we_do_not_know_are_kept_and_mean_nothing() -> None:
    outcome = told(loyalty={"points": [1, 2]}, mood="good").outcome

    assert isinstance(outcome, Approved)
    assert outcome.transaction.other == {"loyalty": {"points": [1, 2]}, "mood": "good"}


def test_another_type_of_event_says_nothing_of_a_payment() -> None:
    event = told(eventType="terminal.rebooted")

    assert (event.event_id, event.outcome, event.problem) == ("evt_1", None, "another type of event")


def test_without_a_type_it_is_read_by_its_fields() -> None:
    assert isinstance(told(eventType=...).outcome, Approved)


@pytest.mark.parametrize("event_id", [..., 7, None, "", "e" * 129, "evt\n1", "évt"])
def test_an_id_that_cannot_be_sent_back_is_as_if_absent(event_id: Any) -> None:
    event = told(eventId=event_id)

    assert event.event_id == ""
    assert isinstance(event.outcome, Approved)


@pytest.mark.parametrize("sequence", [..., "5", True, -1, 1.5, 2**53 + 1])
def test_a_sequence_that_is_no_counter_orders_nothing(sequence: Any) -> None:
    assert told(sequence=sequence).sequence == 0


@pytest.mark.parametrize(
    "changes", [{"paymentAmount": ...}, {"status": 3}, {"transactionId": ""}, {"authorisedAmount": -1}]
)
def test_what_matters_and_is_wrong_leaves_no_outcome(changes: dict[str, Any]) -> None:
    event = told(**changes)

    assert (event.event_id, event.device_id, event.outcome) == ("evt_1", "2097CD800001", None)
    assert event.problem


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b"{", b'{"a":1,"a":2}', b"\xff", b"[" * 5000, b'"' + b"x" * MAX_EVENT + b'"'],
)
def test_what_is_no_event_says_nothing_at_all(body: bytes) -> None:
    event = read(body)

    assert (event.event_id, event.outcome) == ("", None)
    assert event.problem


@given(st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    read(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(EVENT)), _JSON)
def test_no_value_of_any_field_raises(name: str, value: Any) -> None:
    told(**{name: value})
