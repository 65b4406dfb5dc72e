"""Tolerant mode: what is forgiven is put right by name, what is valid stays, and money never moves (rule R14)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from nexo_bridge.errors import SchemaViolations
from nexo_bridge.nexo import codec, json_form, slips
from nexo_bridge.nexo.document import Document
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.grammar import Grammar
from nexo_bridge.nexo.tolerance import NAMES, STRICT, TABLE, TOLERANT, Transformation, put_right, told
from tests import tolerance_page
from tests.nexo import corpus
from tests.nexo.tolerating import GRAMMARS, WORDS, decoded, payment, reference, relaxed, text


def type_of(name: str, grammar: Grammar) -> str:
    """The type of the elements of that name, of which the examples' have one each."""
    types = {
        particle.elements[name]
        for structure in grammar.structures.values()
        for particle in structure.particles
        if name in particle.elements
    }
    return grammar.roots.get(name) or types.pop()


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.id)
def test_an_example_is_put_right_by_its_transformation_alone(one: Transformation) -> None:
    for other in TABLE:
        fragment = etree.fromstring(one.before)
        setting = slips.Setting(GRAMMARS["3.1"], WORDS, "Z")
        done = sum(map(other.change, slips.spots(fragment, type_of(fragment.tag, GRAMMARS["3.1"]), setting)))
        if other is one:
            assert done > 0
            assert text(fragment) == text(etree.fromstring(one.after))
        else:
            assert (done, text(fragment)) == (0, text(etree.fromstring(one.before))), other.id


def test_what_was_done_in_words() -> None:
    assert told({"missing-zone": 2, "code-capitals": 1}) == "missing-zone x2, code-capitals"
    assert told({}) == ""


def test_ids_are_unique() -> None:
    assert len(set(NAMES)) == len(TABLE)


def test_the_page_is_current() -> None:
    committed = (corpus.ROOT / "docs" / "tolerance.md").read_text(encoding="utf-8")
    assert committed == tolerance_page.page(), (
        "run: .venv/bin/python tests/tolerance_page.py > docs/tolerance.md"
    )


def test_no_two_names_or_codes_differ_in_capitals_alone() -> None:
    for grammar in GRAMMARS.values():
        for structure in grammar.structures.values():
            names = [*structure.attributes, *(name for one in structure.particles for name in one.elements)]
            assert len({name.lower() for name in names}) == len(names)
            for attribute in structure.attributes.values():
                codes = attribute.type.codes
                assert len({code.lower() for code in codes}) == len(codes)


# -- laws --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "name"), corpus.SAMPLES)
def test_a_valid_message_is_changed_by_no_transformation(version: Version, name: str) -> None:
    document = codec.parse(corpus.sample(name, version))
    before = text(document.root)
    changed, counts = put_right(document, TOLERANT, GRAMMARS[version], WORDS)
    assert counts == {}
    assert text(changed.root) == before


def test_the_document_itself_is_left_alone() -> None:
    document = codec.parse(payment(b' Colour="green"'))
    before = text(document.root)
    changed, counts = put_right(document, TOLERANT, GRAMMARS["3.1"], WORDS)
    assert counts == {"unknown-attribute": 1}
    assert text(document.root) == before != text(changed.root)


def test_strict_mode_changes_nothing() -> None:
    document, counts = relaxed(payment(b' Colour="green"'), STRICT)
    assert counts == {}
    with pytest.raises(SchemaViolations):
        decoded(document)


Slip = Callable[[etree._Element, st.DataObject], None]
"""Makes one mistake in a valid document, if there is room for it."""


def _capitals(root: etree._Element, data: st.DataObject) -> None:
    places = [
        (element, name)
        for element, type_name in typed(root)
        if (structure := GRAMMARS["3.1"].structures.get(type_name)) is not None
        for name in element.attrib
        if (simple := structure.attributes[str(name)].type).codes or simple.base == "boolean"
    ]
    if places:
        element, name = data.draw(st.sampled_from(places))
        change = data.draw(st.sampled_from([str.upper, str.lower, str.swapcase]))
        element.set(name, change(element.get(name, "")))


def _zones(root: etree._Element, data: st.DataObject) -> None:
    for element, type_name in typed(root):
        structure = GRAMMARS["3.1"].structures.get(type_name)
        for name, value in element.attrib.items():
            if structure is not None and structure.attributes[str(name)].type.base == "dateTime":
                element.set(name, re.sub(r"(Z|[+-]\d\d:\d\d)$", "", str(value)))


def _order(root: etree._Element, data: st.DataObject) -> None:
    parents = [
        element
        for element, _ in typed(root)
        if len(element) > 1 and len({child.tag for child in element}) == len(element)
    ]
    if parents:
        parent = data.draw(st.sampled_from(parents))
        parent[:] = data.draw(st.permutations(list(parent)))


def _foreign_attribute(root: etree._Element, data: st.DataObject) -> None:
    element, _ = data.draw(st.sampled_from([one for one in typed(root) if one[0].tag not in REFERENCES]))
    name = data.draw(st.sampled_from(["RcncltnId", "Shade", "{urn:tills}shop", "qqq"]))
    element.set(name, data.draw(st.sampled_from(["green", "", "a b"])))


def _foreign_element(root: etree._Element, data: st.DataObject) -> None:
    parents = [
        element
        for element, type_name in typed(root)
        if type_name in GRAMMARS["3.1"].structures
        and not WORDS.has_amounts(GRAMMARS["3.1"], type_name)
        and element.tag not in {*REFERENCES, "MessageHeader", "LoginRequest"}
        and GRAMMARS["3.1"].structures[type_name].text is None
    ]
    if parents:
        parent = data.draw(st.sampled_from(parents))
        stranger = etree.fromstring("<Xyz a='1'><Amount>5</Amount></Xyz>")
        parent.insert(data.draw(st.integers(0, len(parent))), stranger)


def _names(root: etree._Element, data: st.DataObject) -> None:
    element, _ = data.draw(st.sampled_from([one for one in typed(root) if one[0].tag != "MessageHeader"][1:]))
    if element.attrib:
        name = data.draw(st.sampled_from([str(name) for name in element.attrib]))
        element.set(name.swapcase(), element.attrib.pop(name))
    else:
        element.tag = str(element.tag).swapcase()


def _blanks(root: etree._Element, data: st.DataObject) -> None:
    for element, type_name in typed(root):
        structure = GRAMMARS["3.1"].structures.get(type_name)
        for name in element.attrib:
            if structure is not None and structure.attributes[str(name)].type.codes:
                element.set(name, f" {element.get(name, '')} ")


SLIPS: tuple[Slip, ...] = (
    _capitals,
    _zones,
    _order,
    _foreign_attribute,
    _foreign_element,
    _names,
    _blanks,
)
REFERENCES = slips._REFERENCES


def typed(root: etree._Element) -> list[tuple[etree._Element, str]]:
    setting = slips.Setting(GRAMMARS["3.1"], WORDS, "Z")
    types = {"SaleToPOIRequest": "sale-to-poi-request", "SaleToPOIResponse": "sale-to-poi-response"}
    return [(spot.element, spot.type_name) for spot in slips.spots(root, types[str(root.tag)], setting)]


def amounts(root: etree._Element) -> list[str]:
    return [
        str(value)
        for element in root.iter()
        for name, value in element.attrib.items()
        if "amount" in str(name).lower()
    ]


REQUESTS = [name for version, name in corpus.SAMPLES if version == "3.1"]


@given(st.data())
def test_slips_are_put_right_to_the_message_that_was_meant(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(REQUESTS))
    meant = codec.parse(corpus.sample(name)).root
    for element, type_name in typed(meant):  # all times in UTC, so that a missing zone is the setting's
        structure = GRAMMARS["3.1"].structures.get(type_name)
        for wire, value in element.attrib.items():
            if structure is not None and structure.attributes[str(wire)].type.base == "dateTime":
                element.set(wire, re.sub(r"(Z|[+-]\d\d:\d\d)$", "Z", str(value)))
    wrong = deepcopy(meant)
    # of the slips that make names unknown to ``typed``, one at the end
    order = (*SLIPS[:2], SLIPS[6], SLIPS[2], *SLIPS[3:6])
    chosen = data.draw(st.sets(st.sampled_from(range(len(order)))))
    for at in sorted(chosen):
        if at < 3 or at == max(chosen):
            order[at](wrong, data)

    changed, _ = put_right(Document(wrong), TOLERANT, GRAMMARS["3.1"], WORDS)

    assert decoded(changed) == decoded(Document(meant))
    assert sorted(amounts(changed.root)) == sorted(amounts(meant))  # a name put right goes to the end
    again, counts = put_right(changed, TOLERANT, GRAMMARS["3.1"], WORDS)
    assert counts == {}
    assert text(again.root) == text(changed.root)


# -- what stays refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        payment(on_amounts=b' Surcharge="1.00"'),
        payment(on_amounts=b' TipAmout="1.00"'),
        payment(on_amounts=b' tipamount="1.00" TipAmount="2.00"'),
        payment(on_request=b' Refund="true"'),
        payment(on_request=b' Kind="Refund"'),
        payment(on_request=b' PaymentType="Refund"'),
        payment(within=b"<Surcharge>1.00</Surcharge>"),
        payment(within=b'<AmountsReq Currency="EUR" RequestedAmount="1.00"/>'),
        payment(behind=b"<Extension/>"),
        payment(behind=b'<PaymentData PaymentType=""/>'),
        payment(amount=b"10,00"),
        payment(amount=b"10.00 EUR"),
        payment(amount=b""),
        payment(on_amounts=b' TipAmount=""'),
        reference(b"Abort", b'<AbortRequest><MessageReference ServiceID=""/><AbortReason/></AbortRequest>'),
        reference(b"Abort", b'<AbortRequest><MessageReference RefID="6"/><AbortReason/></AbortRequest>'),
        reference(
            b"Reversal",
            b'<ReversalRequest ReversalReason="CustCancel"><OriginalPOITransaction AmountValue="5.00"/>'
            b"</ReversalRequest>",
        ),
        reference(
            b"Reversal",
            b'<ReversalRequest ReversalReason="CustCancel" ReversedAmount=""><OriginalPOITransaction/>'
            b"</ReversalRequest>",
        ),
        reference(
            b"Reversal",
            b'<ReversalRequest ReversalReason="CustCancel"><OriginalPOITransaction><Number/>'
            b"</OriginalPOITransaction></ReversalRequest>",
        ),
        payment().replace(b'SaleID="S1"', b'SaleID="S1" Test="true"'),
        corpus.sample("login-request-minimal").replace(b"<LoginRequest", b'<LoginRequest Simulated="1"'),
        corpus.sample("login-request-minimal").replace(b"<DateTime", b"<Simulated/><DateTime"),
        payment().replace(b'SaleID="S1"', b'saleid="S1"'),
        payment().replace(b'ServiceID="7"', b'ServiceID=""'),
        payment().replace(b"<SaleData>", b"<SaleData>text<Xyz/>text"),
    ],
)
def test_what_could_be_read_in_two_ways_or_move_money_stays_refused(data: bytes) -> None:
    for version in VERSIONS:
        document, _ = relaxed(data, version=version)
        with pytest.raises(SchemaViolations):
            decoded(document, version)


def test_a_name_of_the_other_version_is_not_unknown() -> None:
    """It says which payment is meant, or for whom: left out, the message would say something else."""
    data = reference(
        b"Reversal",
        b'<ReversalRequest ReversalReason="CustCancel" SaleReferenceID="R1"><OriginalPOITransaction/>'
        b"</ReversalRequest>",
    )
    document, counts = relaxed(data)
    assert counts == {}
    with pytest.raises(SchemaViolations):
        decoded(document)
    assert decoded(codec.parse(data), "3.0").body_name == "ReversalRequest"


def test_so_many_unknown_names_are_no_slip() -> None:
    one = b'<DisplayOutput ResponseRequiredFlag="false" Xyz="1"/>'
    _, counts = relaxed(reference(b"Display", b"<DisplayRequest>" + one * 300 + b"</DisplayRequest>"))
    assert counts == {"unknown-attribute": slips.MOST_LOOKS}


# -- JSON --------------------------------------------------------------------------------------------------------------


def in_json(name: str = "payment-request-card") -> Any:
    return json.loads(json_form.in_form(corpus.sample(name), "json"))


def put_right_in_json(message: Any) -> tuple[Document, Mapping[str, int]]:
    return corpus.schemas().put_right(codec.parse(json.dumps(message).encode(), "json"), "3.1", TOLERANT)


@pytest.mark.parametrize(("version", "name"), corpus.SAMPLES)
def test_a_valid_message_in_json_is_changed_by_no_transformation(version: Version, name: str) -> None:
    document = codec.parse(json_form.in_form(corpus.sample(name, version), "json"), "json")
    changed, counts = corpus.schemas().put_right(document, version, TOLERANT)
    assert counts == {}
    assert text(changed.root) == text(document.in_version(version).root)


def test_json_is_put_right_by_the_same_names() -> None:
    message = in_json()
    header, request = message["SaleToPOIRequest"].values()
    header["MessageClass"] = "SERVICE"
    request["SaleData"]["Vendor"] = {"Build": 7}
    request["SaleData"]["SaleTransactionID"]["TimeStamp"] = "2025-03-14T08:26:53"
    request["SaleData"]["OperatorLanguage"] = ""
    request["PaymentTransaction"]["AmountsReq"]["RcncltnId"] = 17
    request["Colour"] = "green"
    document, counts = put_right_in_json(message)
    assert counts == {
        "unknown-element": 1,
        "unknown-attribute": 2,
        "empty-attribute": 1,
        "code-capitals": 1,
        "missing-zone": 1,
    }
    meant = in_json()
    (_, request) = meant["SaleToPOIRequest"].values()
    request["SaleData"]["SaleTransactionID"]["TimeStamp"] = "2025-03-14T08:26:53Z"
    assert decoded(document) == decoded(codec.parse(json.dumps(meant).encode(), "json"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Surcharge", 1.00),
        ("Refund", True),
        ("TipAmout", "x"),
        ("requestedAmount", 1),
        ("Extra", {"Amount": 1}),
        ("Extra", None),
        ("Extra", "\u0001"),
        ("not a name", "x"),
    ],
)
def test_members_that_may_mean_something_stay_refused(name: str, value: Any) -> None:
    message = in_json()
    amounts = message["SaleToPOIRequest"]["PaymentRequest"]["PaymentTransaction"]["AmountsReq"]
    amounts[name] = value
    document, counts = put_right_in_json(message)
    assert counts == {}
    with pytest.raises(SchemaViolations) as refused:
        decoded(document)
    (violation,) = refused.value.violations
    assert violation.path.startswith("$.SaleToPOIRequest.PaymentRequest.PaymentTransaction.AmountsReq")


def test_faults_of_the_json_itself_are_not_forgiven() -> None:
    message = in_json()
    message["SaleToPOIRequest"]["PaymentRequest"]["PaymentTransaction"]["AmountsReq"]["RequestedAmount"] = (
        "12.50"
    )
    document, _ = put_right_in_json(message)
    with pytest.raises(SchemaViolations) as refused:
        decoded(document)
    assert [one.rule for one in refused.value.violations] == ["JSON-TYPE"]
