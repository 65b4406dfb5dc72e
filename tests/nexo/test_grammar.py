"""What our reading of the schema says about a text is what lxml says."""

from __future__ import annotations

import pytest
from lxml import etree

from nexo_bridge.nexo.grammar import Grammar
from nexo_bridge.runtime.data import read_data
from tests.nexo.generator import FACTS

XSD = read_data("xsd/nexo-retailer-3.1.xsd")
TYPES = [*sorted(FACTS["values"]), "algorithm-code", "operator-code", "entry-mode-codes", "private-code"]

TEXTS = [
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "+5",
        "007",
        "1.5",
        ".5",
        "5.",
        ".",
        "+",
        "1e3",
        "0x1",
        "1_0",
        "1,5",
        "\u0661",
        " 12.50 ",
    ),
    *(
        "true",
        "false",
        "TRUE",
        " true ",
        "\ttrue\n",
        "NaN",
        "INF",
        "99999999.999999",
        "99999999.9999991",
        "100000000",
    ),
    *("-0", "-0.000000", "0.0000001", "999", "1000", "2000", "2001", "500", "501", "100", "101", "3", "2"),
    *(
        "EUR",
        "EURO",
        "eur",
        "E1R",
        "de",
        "DE",
        "deu",
        " EUR",
        "EUR ",
        "12x",
        "12",
        "123",
        "1234",
        "12345678",
        "1" * 41,
    ),
    *(
        "A",
        "AA",
        "AA==",
        "AB==",
        "AQ==",
        "AA=",
        "AAE=",
        "AAF=",
        "AAEC",
        "A A E C",
        "AA\n==",
        "A-A=",
        "====",
        "=",
        "AA=A",
    ),
    *("AAECAwQ=", "AAECAwQFBgcICQoLDA0ODw==", "AAECAwQFBgcICQoLDA0ODxA=", " AA== "),
    *("2026-01-31T12:00:00Z", "2026-01-31T24:00:00Z", "2026-01-31T24:00:00.0Z", "2026-01-31T24:00:00.1Z"),
    *(
        "2026-01-31T24:01:00Z",
        "2026-01-31T12:00:60Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00Z",
    ),
    *(
        "2026-02-29T00:00:00Z",
        "2024-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
    ),
    *(
        "0000-01-01T00:00:00Z",
        "-0001-01-01T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "02026-01-01T00:00:00Z",
        "12000-02-29T00:00:00Z",
    ),
    *(
        "2026-01-31T12:00:00+14:00",
        "2026-01-31T12:00:00+14:01",
        "2026-01-31T12:00:00-13:59",
        "2026-01-31T12:00:00+1:00",
    ),
    *(
        "2026-01-31T12:00:00.123456789Z",
        "2026-01-31T12:00:00.Z",
        " 2026-01-31T12:00:00Z ",
        "2026-01-31 12:00:00Z",
    ),
    *(
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z",
        "+2026-01-01T00:00:00Z",
    ),
    *("2026-01-31t12:00:00z", "2026-01-31T1:00:00Z", "226-01-01T00:00:00Z", "2026-01-31T12:00:00+01:60"),
    *(
        "id-ukpt-wrap ",
        "id-ukpt-wrap",
        "des-ede3-ecb",
        "acme:Foo",
        "acme:foo",
        ":Foo",
        "a b:Foo",
        "0:A",
        "acme:Foo\n",
    ),
    *("EQ", "eq", "ICC", "ICC Keyed", "ICC  Keyed ", "ICC acme:Foo", "ICC nonsense", "Keyed,ICC"),
]


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return Grammar(XSD)


@pytest.mark.parametrize("type_name", TYPES)
def test_a_text_fits_exactly_if_lxml_says_so(grammar: Grammar, type_name: str) -> None:
    document = etree.fromstring(XSD)
    document.append(etree.Element("{http://www.w3.org/2001/XMLSchema}element", name="value", type=type_name))
    schema = etree.XMLSchema(document)
    simple = grammar.simple(type_name)
    element = etree.Element("value")
    for text in TEXTS:
        element.text = text
        assert (simple.fault(text) is None) == schema.validate(element), text


@pytest.mark.parametrize(
    ("type_name", "words"),
    [
        ("text", "any number of characters"),
        ("text-1-10", "1 to 10 characters"),
        ("text-10", "exactly 10 characters"),
        ("digits", "any number of digits"),
        ("digits-8-28", "8 to 28 digits"),
        ("currency", "three capital letters"),
        ("language", "two small letters"),
        ("binary", "base64"),
        ("binary-2", "base64, exactly 2 bytes"),
        ("whole", "a whole number"),
        ("whole-1-up", "a whole number, 1 or more"),
        ("whole-1-3", "a whole number from 1 to 3"),
        ("amount", "a decimal number from 0.000000 to 99999999.999999"),
        ("flag", "true, false, 1 or 0"),
        ("moment", "a date and time with zone as 2026-01-31T12:00:00Z"),
        ("operator-code", "one of EQ, LE, LT, GE, GT"),
        ("message-class-code", "one of Service, Device, Event, or prefix:Value"),
        (
            "services-enabled-codes",
            "any number of, between blanks, one of CardAcquisition, Payment, Loyalty, or prefix:Value",
        ),
        ("private-code", "text matching [0-9A-Za-z][0-9A-Za-z]*:[A-Z][0-9A-Za-z]*"),
    ],
)
def test_types_in_words(grammar: Grammar, type_name: str, words: str) -> None:
    assert grammar.simple(type_name).describe() == words


def test_blanks_in_codes_are_visible(grammar: Grammar) -> None:
    assert "'id-ukpt-wrap '" in grammar.simple("algorithm-code").describe()


def test_structures(grammar: Grammar) -> None:
    assert grammar.roots == {
        "SaleToPOIRequest": "sale-to-poi-request",
        "SaleToPOIResponse": "sale-to-poi-response",
    }
    enveloped = grammar.structures["enveloped-data"]
    assert [(list(one.elements), one.least, one.most) for one in enveloped.particles] == [
        (["KeyTransport", "KEK"], 1, None),
        (["EncryptedContent"], 1, 1),
    ]
    assert enveloped.place("KEK") == 0
    assert enveloped.place("Foo") is None
    assert grammar.structures["transaction-to-perform"].particles[0].least == 0
    assert grammar.structures["card-reader-init-response"].particles[1].most == 4
    assert grammar.structures["track-data"].text is not None
    assert grammar.structures["message-header"].attributes["SaleID"].required
