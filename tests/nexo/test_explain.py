"""What a violation says; which rule fits which fault is tested fact by fact in test_schema.py."""

from __future__ import annotations

import pytest

from nexo_bridge.errors import Violation
from nexo_bridge.nexo.document import Document, parse
from nexo_bridge.nexo.explain import MAX_VIOLATIONS, RULES, SECRET_NAMES
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.runtime.data import read_schemas
from tests.nexo.building import containing

SCHEMAS = Schemas(read_schemas())
AT = "/SaleToPOIRequest/PaymentRequest"


def faults(inside: str) -> list[Violation]:
    ids = 'SaleID="" POIID=""'
    header = f'<MessageHeader MessageClass="Service" MessageCategory="Payment" MessageType="Request" {ids}/>'
    data = f"<SaleToPOIRequest>{header}\n<PaymentRequest>\n{inside}\n</PaymentRequest></SaleToPOIRequest>"
    return list(SCHEMAS.validate(parse(data.encode()), "3.1"))


def fault(rule: str, inside: str) -> Violation:
    return next(one for one in faults(inside) if one.rule == rule)


def test_a_wrong_code_names_the_right_ones_and_the_nearest() -> None:
    assert fault("XSD-VALUE-CODE", '<PaymentData PaymentType="NORMAL"/>') == Violation(
        rule="XSD-VALUE-CODE",
        line=3,
        path=f"{AT}/PaymentData/@PaymentType",
        expected="one of Normal, Refund, OneTimeReservation, FirstReservation, UpdateReservation, Completion, "
        "CashAdvance, CashDeposit, Recurring, Instalment, IssuerInstalment, PaidOut, VoiceAuthorisation, "
        "or prefix:Value",
        found="'NORMAL'",
        fix="write Normal",
    )


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    found = fault("XSD-ATTRIBUTE-UNKNOWN", '<SaleData OperatorId="x"/>')
    assert (found.found, found.fix) == ("the attribute OperatorId", "write OperatorID")
    found = fault("XSD-ELEMENT-UNKNOWN", "<Saledata/>")
    assert (found.path, found.fix) == (f"{AT}/Saledata", "write SaleData")
    assert fault("XSD-ELEMENT-UNKNOWN", "<Foo/>").fix == RULES["XSD-ELEMENT-UNKNOWN"].fix


def test_places_among_siblings_are_counted() -> None:
    found = fault("XSD-ELEMENT-REPEATED", "<SaleData/><SaleData/>")
    assert (found.path, found.expected, found.found) == (
        f"{AT}/SaleData[2]",
        "one of SaleData",
        "another SaleData",
    )
    found = fault("XSD-ELEMENT-ORDER", "<PaymentTransaction/><SaleData/>")
    assert (found.expected, found.fix) == (
        "SaleData before PaymentTransaction",
        "move SaleData before PaymentTransaction",
    )


def test_what_is_missing_is_named_with_its_form() -> None:
    found = fault("XSD-ATTRIBUTE-MISSING", "<PaymentTransaction><AmountsReq/></PaymentTransaction>")
    assert (found.expected, found.found) == ("the attribute Currency: three capital letters", "nothing")
    fixes = [one.fix for one in faults("<SaleData/>") if one.rule == "XSD-ELEMENT-MISSING"]
    assert fixes == ["add PaymentTransaction at its place", "add SaleTransactionID at its place"]


def test_elements_without_content_and_texts_without_elements() -> None:
    assert fault(
        "XSD-TEXT", "<PaymentTransaction><AmountsReq> </AmountsReq></PaymentTransaction>"
    ).expected == ("nothing inside in AmountsReq")
    assert fault("XSD-TEXT", "between").expected == "child elements alone in PaymentRequest"
    inside = "<SaleData><SaleToPOIData a='1'><b/></SaleToPOIData></SaleData>"
    assert fault("XSD-ATTRIBUTE-UNKNOWN", inside).expected == "no attributes"
    assert fault("XSD-ELEMENT-UNKNOWN", inside).expected == "text alone"
    nothing = fault("XSD-ATTRIBUTE-UNKNOWN", "<PaymentTransaction a='1'/>")
    assert nothing.expected == "an attribute of PaymentTransaction; it has none"
    nothing = fault(
        "XSD-ELEMENT-UNKNOWN", "<PaymentTransaction><AmountsReq><a/></AmountsReq></PaymentTransaction>"
    )
    assert nothing.expected == "an element of AmountsReq; it has none"


@pytest.mark.parametrize(
    "inside",
    [
        '<PaymentData><PaymentInstrumentData><CardData><SensitiveCardData PAN="4111 1111 1111 1111"/></CardData>',
        '<PaymentData><PaymentInstrumentData><CardData><SensitiveCardData Pan="4111111111111111"/></CardData>',
        "<PaymentData><PaymentInstrumentData><CardData>4111111111111111</CardData>",
        '<PaymentData><PaymentInstrumentData><CardData EntryMode="4111111111111111"></CardData>',
    ],
)
def test_no_card_number_is_shown(inside: str) -> None:
    found = faults(f"{inside}</PaymentInstrumentData></PaymentData>")
    assert found
    assert "4111" not in str(found)


def test_secret_values_are_named_so() -> None:
    root, target = containing("SensitiveCardData", "3.1")
    target.set("PAN", "12x")
    assert [one.found for one in SCHEMAS.validate(Document(root), "3.1")] == ["a secret value"]
    assert {
        "PAN",
        "TrackData",
        "TokenValue",
        "SaleToAcquirerData",
        "EncryptedKey",
        "StoredValueAccountID",
    } <= SECRET_NAMES
    assert "RequestedAmount" not in SECRET_NAMES


def test_values_are_printable_and_short() -> None:
    found = fault("XSD-VALUE-CODE", f'<PaymentData PaymentType="a&#10;b\u202e{"x" * 100}"/>').found
    assert "\n" not in found
    assert "\u202e" not in found
    assert len(found) < 100


def test_the_list_of_faults_ends() -> None:
    assert len(faults("<a/>" * (MAX_VIOLATIONS + 50))) == MAX_VIOLATIONS


def test_rules_have_words() -> None:
    for name, rule in RULES.items():
        assert name.startswith("XSD-")
        assert rule.says
        assert rule.fix
