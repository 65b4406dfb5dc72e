"""Single slips, each put right or left alone for a reason."""

from __future__ import annotations

import pytest
from lxml import etree

from nexo_bridge.errors import SchemaViolations
from nexo_bridge.nexo import codec, slips
from nexo_bridge.nexo.json_form import in_form
from nexo_bridge.nexo.tolerance import TOLERANT, Tolerance, put_right
from tests.nexo import corpus
from tests.nexo.tolerating import GRAMMARS, WORDS, decoded, payment, reference, relaxed, text


def test_the_zone_is_the_settings() -> None:
    data = payment().replace(b"10:15:30Z", b"10:15:30")
    document, counts = relaxed(data, Tolerance(TOLERANT.names, zone="+01:00"))
    assert counts == {"missing-zone": 1}
    assert b'TimeStamp="2026-03-01T10:15:30+01:00"' in text(document.root)


def test_only_what_is_chosen_is_done() -> None:
    data = payment(b' Colour="green"').replace(b"10:15:30Z", b"10:15:30")
    _, counts = relaxed(data, Tolerance(frozenset({"missing-zone"})))
    assert counts == {"missing-zone": 1}


def test_an_unknown_attribute_of_a_text() -> None:
    reason = b'<MessageReference ServiceID="6"/><AbortReason lang="en">stop</AbortReason>'
    document, counts = relaxed(reference(b"Abort", b"<AbortRequest>" + reason + b"</AbortRequest>"))
    assert counts == {"unknown-attribute": 1}
    assert decoded(document).body_name == "AbortRequest"


def test_lists_of_codes_are_put_right_one_by_one() -> None:
    data = corpus.sample("login-request").replace(b"CashierDisplay", b"CASHIERDISPLAY")
    document, counts = relaxed(data)
    assert counts == {"code-capitals": 1}
    assert decoded(document) == decoded(codec.parse(corpus.sample("login-request")))


def test_true_and_false_in_other_capitals() -> None:
    right = corpus.sample("input-request-confirmation")
    assert b'"false"' in right or b'"true"' in right
    document, counts = relaxed(right.replace(b'"false"', b'"False"').replace(b'"true"', b'"TRUE"'))
    assert counts.keys() == {"code-capitals"}
    assert decoded(document) == decoded(codec.parse(right))


def test_blanks_and_capitals_together() -> None:
    data = corpus.sample("display-response").replace(b'Result="Success"', b'Result=" SUCCESS "')
    document, counts = relaxed(data)
    assert counts.keys() == {"value-blanks", "code-capitals"}
    assert decoded(document) == decoded(codec.parse(corpus.sample("display-response")))


def test_a_code_that_ends_in_a_blank_gets_it() -> None:
    algorithm = etree.fromstring('<KeyEncryptionAlgorithm Algorithm="id-ukpt-wrap"/>')
    (spot,) = slips.spots(algorithm, "algorithm", slips.Setting(GRAMMARS["3.1"], WORDS, "Z"))
    assert (slips.code_spelling(spot), algorithm.get("Algorithm")) == (1, "id-ukpt-wrap ")
    assert (slips.code_spelling(spot), slips.value_blanks(spot)) == (0, 0)


def test_where_amounts_can_stand() -> None:
    for grammar in GRAMMARS.values():
        careful = {name for name in grammar.structures if WORDS.has_amounts(grammar, name)}
        assert {"amounts-req", "payment-transaction", "payment-request", "reversal-request"} <= careful
        assert careful.isdisjoint({"login-request", "sale-data", "abort-request", "transaction-conditions"})


def test_an_answer_with_the_wrong_root() -> None:
    right = corpus.sample("input-response")
    document, counts = relaxed(right.replace(b"SaleToPOIResponse", b"SaleToPOIRequest"))
    assert counts == {"answer-root": 1}
    assert decoded(document) == decoded(codec.parse(right))


def test_an_answer_in_json_with_the_wrong_root() -> None:
    right = corpus.sample("input-response")
    data = in_form(right, "json").replace(b'"SaleToPOIResponse"', b'"SaleToPOIRequest"')
    document, counts = put_right(codec.parse(data, "json"), TOLERANT, GRAMMARS["3.1"], WORDS)
    assert counts == {"answer-root": 1}
    assert decoded(document) == decoded(codec.parse(right))


@pytest.mark.parametrize(
    "root",
    [
        b"<SaleToPOIRequest/>",
        b'<SaleToPOIRequest><MessageHeader MessageType="Response"/><PaymentRequest/></SaleToPOIRequest>',
    ],
)
def test_what_is_no_answer_keeps_its_root(root: bytes) -> None:
    assert "answer-root" not in relaxed(root)[1]


def test_text_behind_an_unknown_element_stays_a_fault() -> None:
    body = b"<LogoutRequest><!-- --><Xyz/>text<Abc/>more</LogoutRequest>"
    document, counts = relaxed(reference(b"Logout", body))
    assert counts == {"unknown-element": 2}
    assert b"textmore" in text(document.root)
    inside = b'<AbortRequest><MessageReference ServiceID="6"/><Xyz/>text<AbortReason/></AbortRequest>'
    document, counts = relaxed(reference(b"Abort", inside))
    assert counts == {"unknown-element": 1}
    with pytest.raises(SchemaViolations):
        decoded(document)
