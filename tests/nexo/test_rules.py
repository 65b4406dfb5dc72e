"""Rules of the header and of values; what ``violations`` promises for every rule."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nexo_bridge.errors import SchemaViolations
from nexo_bridge.nexo import codec, rules
from nexo_bridge.nexo.document import Envelope
from nexo_bridge.nexo.messages import Message, MessageHeader, PaymentRequest
from nexo_bridge.nexo.rule_table import RULES
from tests.nexo import corpus
from tests.nexo.rule_cases import CASES, FINE, HEADER_CASES, VALUE_CASES, Case, Fine


def changed(data: bytes, changes: Sequence[tuple[str, str]]) -> bytes:
    text = data.decode()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode()


@pytest.mark.parametrize("case", [*HEADER_CASES, *VALUE_CASES], ids=lambda case: f"{case.rule}-{case.sample}")
def test_a_broken_rule_is_found_at_its_place(case: Case) -> None:
    data = changed(corpus.sample(case.sample, case.version), case.changes)
    found = [one for one in corpus.read(data, case.version)[1] if one.rule == case.rule]
    assert found, corpus.read(data, case.version)[1]
    assert found[0].path.endswith(case.at)
    assert found[0].line > 0
    assert found[0].line == codec.parse(data).line(found[0].path)
    repeated = RULES[case.rule].repeated and "request" not in case.sample
    assert found[0].warning is (RULES[case.rule].warning or repeated)


@pytest.mark.parametrize("fine", FINE, ids=lambda fine: fine.sample)
def test_what_looks_odd_but_is_right_breaks_no_rule(fine: Fine) -> None:
    data = changed(corpus.sample(fine.sample, fine.version), fine.changes)
    assert corpus.read(data, fine.version)[1] == ()


def test_faults_refuse_and_warnings_do_not() -> None:
    for case in CASES:
        data = changed(corpus.sample(case.sample, case.version), case.changes)
        found = corpus.read(data, case.version)[1]
        document = codec.parse(data)
        if all(one.warning for one in found):
            codec.decode(document, case.version, corpus.schemas(), corpus.seal)
        else:
            with pytest.raises(SchemaViolations) as refused:
                codec.decode(document, case.version, corpus.schemas(), corpus.seal)
            assert not any(one.warning for one in refused.value.violations)


def test_a_violation_is_short_and_printable_whatever_was_sent() -> None:
    for case in CASES:
        data = changed(corpus.sample(case.sample, case.version), case.changes)
        for one in corpus.read(data, case.version)[1]:
            assert len(one.found) < 200
            assert one.found.isprintable()
            assert one.found


def test_a_card_number_in_an_id_is_not_shown() -> None:
    data = changed(corpus.sample("payment-request-card"), [("B-20418", "4111111111111111&#10;")])
    found = corpus.read(data)[1]
    assert [one.rule for one in found] == ["NX-012", "NX-019"]
    assert "4111111111111111" not in repr(found)


def test_a_message_of_our_own_is_checked_without_lines() -> None:
    message, _ = corpus.read(corpus.sample("payment-request-card"))
    body = message.body
    assert isinstance(body, PaymentRequest)
    header = MessageHeader(
        message_class="Event",
        message_category="Payment",
        message_type="Response",
        sale_id="",
        poi_id="P" * 65,
    )
    found = rules.violations(Message(kind="request", header=header, body=body))
    assert [one.rule for one in found] == ["NX-002", "NX-003", "NX-006", "NX-011", "NX-014"]
    assert {one.line for one in found} == {0}
    assert found[-1].path == "/SaleToPOIRequest/MessageHeader/@POIID"
    assert rules.violations(message) == ()


@pytest.mark.parametrize(
    "change",
    [
        ('ServiceID="92653" ', ""),
        ('ServiceID="92653"', 'ServiceID="../../etc"'),
        ('ServiceID="92653"', 'ServiceID="9&#10;2"'),
        ('SaleID="KASSE-01"', 'SaleID=""'),
        ('POIID="POI00001"', f'POIID="{"P" * 4000}"'),
        ("B-20418", "9" * 100_000),
        ("B-20418", ""),
        ("2025-03-14T09:26:53", "9999-12-31T23:59:59"),
    ],
)
def test_the_answer_that_refuses_a_bad_id_can_be_written(change: tuple[str, str]) -> None:
    request = changed(corpus.sample("payment-request-card"), [change])
    assert not all(one.warning for one in corpus.read(request)[1])
    answer = changed(corpus.sample("payment-response-message-format"), [change])
    message, found = corpus.read(answer)
    assert found
    assert all(one.warning for one in found)
    assert corpus.read(codec.encode(message, "3.1", corpus.schemas()))[0] == message


def test_an_event_may_carry_the_bad_ids_it_rejects() -> None:
    event = changed(
        corpus.sample("event-reject"),
        [('SaleID="KASSE-01"', 'SaleID=""'), ("POI00001", "../../" + "P" * 4000)],
    )
    found = corpus.read(event)[1]
    assert [one.rule for one in found] == ["NX-011", "NX-013", "NX-014"]
    assert all(one.warning for one in found)


def test_a_header_can_be_judged_alone() -> None:
    header = {"MessageClass": "Service", "MessageCategory": "Login", "SaleID": "S\n1", "Unknown": "x" * 9999}
    found = rules.header_violations(Envelope("request", "PaymentRequest", header))
    assert [one.rule for one in found] == ["NX-001", "NX-004", "NX-012"]
    assert rules.header_violations(Envelope("response", "", {})) == ()
    assert rules.header_violations(Envelope("request", "Stranger", {"MessageCategory": "Payment"})) == ()


@pytest.mark.parametrize("message_class", ["Service", "Device", "Event", "acme:Foo"])
def test_each_class_has_its_own_ids(message_class: str) -> None:
    found = rules.header_violations(Envelope("request", "", {"MessageClass": message_class}))
    assert [one.rule for one in found] == {
        "Service": ["NX-004"],
        "Device": ["NX-005"],
        "Event": ["NX-006"],
    }.get(message_class, [])
