from __future__ import annotations

from datetime import UTC, datetime

import pytest

from nexo_bridge.money import Amount
from nexo_bridge.nexo.codec import encode
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.messages import LoginRequest, PaymentRequest, TransactionStatusRequest
from nexo_bridge.pos.requests import Requests, ServiceIds
from nexo_bridge.redaction import Secret
from tests.pos.scripted_poi import schemas


def test_service_ids_come_from_the_clock_and_never_twice() -> None:
    numbers = ServiceIds(lambda: 1741944413.5)
    assert [numbers.next() for _ in range(3)] == ["1944413500", "1944413501", "1944413502"]
    back = iter([2.0, 1.0])
    numbers = ServiceIds(lambda: next(back))
    assert [numbers.next(), numbers.next()] == ["0000002000", "0000002001"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_request_is_valid_in_both_versions(version: Version) -> None:
    requests = Requests("TILL1", "POI00001", version=version)
    scanned = Secret.seal("28763443825664394", b"k")
    for message in (
        requests.login("1"),
        requests.payment("2", "T2", Amount("12.50"), "EUR"),
        requests.payment("3", "T3", Amount("1250"), "JPY", mobile=True),
        requests.payment("4", "T4", Amount("12.50"), "EUR", scanned=scanned),
        requests.status("5", None),
        requests.status("6", "2"),
        requests.abort("7", "2"),
        requests.logout("8"),
    ):
        assert encode(message, version, schemas())


def test_a_login_says_its_version_and_what_this_pos_can_show() -> None:
    moment = datetime(2025, 3, 14, 9, 26, 53, tzinfo=UTC)
    message = Requests("TILL1", "POI00001", now=lambda: moment).login("1")
    assert isinstance(message.body, LoginRequest)
    assert message.header.protocol_version == "3.1"
    assert message.body.date_time == "2025-03-14T09:26:53.000Z"
    assert message.body.sale_terminal_data is not None
    assert "CustomerDisplay" in message.body.sale_terminal_data.sale_capabilities


def test_how_it_is_paid_stands_in_the_instrument() -> None:
    requests = Requests("TILL1", "POI00001")
    bodies = [
        requests.payment("1", "T", Amount("1"), "EUR").body,
        requests.payment("1", "T", Amount("1"), "EUR", mobile=True).body,
        requests.payment("1", "T", Amount("1"), "EUR", scanned=Secret.seal("code", b"k")).body,
    ]
    data = [body.payment_data for body in bodies if isinstance(body, PaymentRequest)]
    assert data[0] is None
    instruments = [entry.payment_instrument_data for entry in data[1:] if entry]
    assert [entry.payment_instrument_type for entry in instruments if entry] == ["Mobile", "Mobile"]
    scanned = instruments[1].card_data if instruments[1] else None
    assert scanned is not None
    assert scanned.entry_mode == ("Scanned",)
    assert scanned.payment_token is not None
    assert scanned.payment_token.token_value.reveal() == "code"


def test_a_status_names_the_payment_or_nothing() -> None:
    requests = Requests("TILL1", "POI00001")
    named, last = requests.status("2", "1").body, requests.status("3", None).body
    assert isinstance(named, TransactionStatusRequest)
    assert isinstance(last, TransactionStatusRequest)
    assert named.message_reference is not None
    assert (named.message_reference.message_category, named.message_reference.service_id) == ("Payment", "1")
    assert last.message_reference is None
