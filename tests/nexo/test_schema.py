"""The schemas are as strict as the facts, fact by fact; whatever lxml refuses, our walk explains by the right rule."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import cast

import pytest
import xmlschema
from lxml import etree

from nexo_bridge.nexo.document import Document, parse
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.runtime.data import read_schemas
from tests.nexo.building import attributes, bad, build, containing, elements, structures, text
from tests.nexo.generator import FACTS, Fact, code_of, code_values, occurs

CASES = [(version, name) for version in VERSIONS for name in structures(version)]


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    return Schemas(read_schemas())


@pytest.fixture(scope="module", params=VERSIONS)
def second(request: pytest.FixtureRequest) -> tuple[Version, xmlschema.XMLSchema]:
    version: Version = request.param
    return version, xmlschema.XMLSchema(read_schemas()[version].decode())


Change = Callable[[etree._Element], object]


def find(node: etree._Element, name: str) -> etree._Element:
    found = node.find(name)
    assert found is not None
    return found


def without_attribute(name: str) -> Change:
    return lambda node: node.attrib.pop(name)


def with_attribute(name: str, value: str) -> Change:
    return lambda node: node.set(name, value)


def with_text(value: str, *path: str) -> Change:
    def change(node: etree._Element) -> None:
        for name in path:
            node = find(node, name)
        node.text = value

    return change


def without_element(name: str) -> Change:
    return lambda node: node.remove(find(node, name))


def with_more(name: str, more: int) -> Change:
    def change(node: etree._Element) -> None:
        for _ in range(more):
            find(node, name).addnext(deepcopy(find(node, name)))

    return change


def with_first(name: str) -> Change:
    return lambda node: node.insert(0, find(node, name))


def first_name(fact: Fact) -> str:
    return str(fact["choice"][0]["name"] if "choice" in fact else fact["name"])


class Mutations:
    """A valid document with one structure in full; each mutation works on a copy."""

    def __init__(self, schemas: Schemas, version: Version, name: str, pick: int = 0) -> None:
        self.schemas, self.version = schemas, version
        self.root, target = containing(name, version, pick=pick)
        self.path = self.root.getroottree().getpath(target)
        assert self.faults(self.root) == []

    def faults(self, root: etree._Element) -> list[tuple[str, str]]:
        found = self.schemas.validate(Document(root), self.version)
        assert all(violation.expected and violation.found and violation.fix for violation in found)
        return [(violation.rule, violation.path) for violation in found]

    def refuses(self, change: Change, rule: str, step: str = "") -> None:
        root = deepcopy(self.root)
        (target,) = cast("list[etree._Element]", root.xpath(self.path))
        change(target)
        assert (rule, self.path + step) in self.faults(root), etree.tostring(target)


@pytest.mark.parametrize(("version", "name"), CASES)
def test_attributes_are_as_strict_as_the_facts(schemas: Schemas, version: Version, name: str) -> None:
    mutations = Mutations(schemas, version, name)
    for fact in attributes(name, version):
        attribute, step = fact["name"], f"/@{fact['name']}"
        if fact.get("required"):
            mutations.refuses(without_attribute(attribute), "XSD-ATTRIBUTE-MISSING", step)
        for value, rule in bad(fact["value"]):
            mutations.refuses(with_attribute(attribute, value), rule, step)
    mutations.refuses(with_attribute("Foo", "1"), "XSD-ATTRIBUTE-UNKNOWN", "/@Foo")


@pytest.mark.parametrize(("version", "name"), CASES)
def test_texts_are_as_strict_as_the_facts(schemas: Schemas, version: Version, name: str) -> None:
    mutations = Mutations(schemas, version, name)
    content = text(name, version)
    if content is not None:
        for value, rule in bad(content["value"]):
            mutations.refuses(with_text(value), rule)
        mutations.refuses(lambda node: etree.SubElement(node, "Foo"), "XSD-ELEMENT-UNKNOWN", "/Foo")
        return
    mutations.refuses(with_text("stray"), "XSD-TEXT")
    for fact in elements(name, version):
        for value, rule in bad(fact["value"]) if "value" in fact else []:
            mutations.refuses(with_text(value, fact["name"]), rule, f"/{fact['name']}")


@pytest.mark.parametrize(("version", "name"), CASES)
def test_elements_are_as_strict_as_the_facts(schemas: Schemas, version: Version, name: str) -> None:
    mutations = Mutations(schemas, version, name)
    mutations.refuses(lambda node: node.insert(0, etree.Element("Foo")), "XSD-ELEMENT-UNKNOWN", "/Foo")
    facts = [] if text(name, version) else elements(name, version)
    for place, fact in enumerate(facts):
        least, most = occurs(fact)
        one = first_name(fact)
        optional_choice = all(occurs(member)[0] == 0 for member in fact.get("choice", [{"occurs": "1"}]))
        if least and not optional_choice:
            mutations.refuses(without_element(one), "XSD-ELEMENT-MISSING")
        if most is not None:
            mutations.refuses(with_more(one, most), "XSD-ELEMENT-REPEATED", f"/{one}[{most + 1}]")
        if place:
            mutations.refuses(with_first(one), "XSD-ELEMENT-ORDER", f"/{first_name(facts[place - 1])}")


@pytest.mark.parametrize(
    ("version", "name", "pick"),
    [
        (version, name, pick)
        for version, name in CASES
        for fact in elements(name, version)
        for pick in range(len(fact.get("choice", [])))
    ],
)
def test_each_member_of_a_choice_is_valid_and_one_is_enough(
    schemas: Schemas, version: Version, name: str, pick: int
) -> None:
    mutations = Mutations(schemas, version, name, pick)
    (choice,) = (fact for fact in elements(name, version) if "choice" in fact)
    if occurs(choice)[1] == 1:
        picked = choice["choice"][pick]["name"]
        another = choice["choice"][pick - 1]
        extra = build(another["name"], another["structure"], version)
        mutations.refuses(
            lambda node: find(node, picked).addnext(extra), "XSD-ELEMENT-REPEATED", f"/{another['name']}"
        )


@pytest.mark.parametrize(("version", "name"), CASES)
def test_codes_take_every_listed_value_and_private_ones(
    schemas: Schemas, version: Version, name: str
) -> None:
    for fact in attributes(name, version):
        code = code_of(fact["value"])
        if code is not None:
            root, target = containing(name, version)
            private = [] if FACTS["codes"][code[0]].get("closed") else ["acme:Foo", "0:A"]
            for value in code_values(code[0], version) + private:
                target.set(fact["name"], value)
                assert schemas.validate(Document(root), version) == ()


def test_transaction_report_is_a_category_in_31_alone(schemas: Schemas) -> None:
    for version in VERSIONS:
        rules = [] if version == "3.1" else ["XSD-VALUE-CODE"]
        root, target = containing("MessageHeader", version)
        target.set("MessageCategory", "TransactionReport")
        assert [one.rule for one in schemas.validate(Document(root), version)] == rules


def test_what_the_other_version_has_is_named_so(schemas: Schemas) -> None:
    root, target = containing("SaleSoftware", "3.1")
    assert schemas.validate(Document(root), "3.1") == ()
    fixes = {one.path.rpartition("/")[2]: one.fix for one in schemas.validate(Document(root), "3.0")}
    assert "other protocol version" in fixes["@ProviderIdentification"]
    target.set("ManufacturerID", "x")
    (found,) = schemas.validate(Document(root), "3.1")
    assert "other protocol version" in found.fix


def test_xmlschema_and_lxml_agree(second: tuple[Version, xmlschema.XMLSchema], schemas: Schemas) -> None:
    version, other = second
    for name in structures(version):
        root, target = containing(name, version)
        assert other.is_valid(root), name
        target.set("Foo", "1")
        assert not other.is_valid(root), name
        assert schemas.validate(Document(root), version)


def test_every_fault_is_said_at_once_with_its_line(schemas: Schemas) -> None:
    document = parse(
        b"""<SaleToPOIRequest>
  <MessageHeader MessageClass="Service" MessageCategory="Login" MessageType="Request" ServiceID="" POIID="P"/>
  <LoginRequest OperatorLanguage="DE">
    <DateTime>today</DateTime>
    <SaleSoftware ProviderIdentification="x" ApplicationName="y" SoftwareVersion="1"/>
    <SaleTerminalData><SaleProfile GenericProfile="Custom"/></SaleTerminalData>
    <Foo/>
  </LoginRequest>
</SaleToPOIRequest>"""
    )
    assert [(one.rule, one.line) for one in schemas.validate(document, "3.1")] == [
        ("XSD-VALUE-LENGTH", 2),
        ("XSD-ATTRIBUTE-MISSING", 2),
        ("XSD-VALUE-PATTERN", 3),
        ("XSD-ELEMENT-UNKNOWN", 7),
        ("XSD-VALUE-TYPE", 4),
        ("XSD-VALUE-CODE", 6),
    ]


def test_a_large_document_full_of_faults_is_refused_at_once(schemas: Schemas) -> None:
    outputs = b'<DisplayOutput x="1"/>' * 10_000  # lxml alone takes two seconds for its log
    document = parse(
        b"<SaleToPOIRequest><DisplayRequest>" + outputs + b"</DisplayRequest></SaleToPOIRequest>"
    )
    assert len(schemas.validate(document, "3.1")) == 200


def test_a_large_valid_document_is_valid(schemas: Schemas) -> None:
    root, target = containing("SaleItem", "3.1")
    for _ in range(300):
        target.addnext(deepcopy(target))
    assert schemas.validate(Document(root), "3.1") == ()


def test_what_lxml_alone_refuses_stays_refused() -> None:
    xsd = read_schemas()
    xsd["3.1"] = xsd["3.1"].replace(
        b'<xs:attribute name="UnitValue" ', b'<xs:attribute name="UnitValue" fixed="5" '
    )
    root, _ = containing("CoinsOrBills", "3.1")
    (found,) = Schemas(xsd).validate(Document(root), "3.1")
    assert (found.rule, found.path) == ("XSD-OTHER", f"/{root.tag}")
