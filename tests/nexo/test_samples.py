"""Samples of every message: valid, equal after a round trip, and refused once something in them is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from lxml import etree

from nexo_bridge.errors import SchemaViolations
from nexo_bridge.nexo import codec
from nexo_bridge.nexo.elements import VERSIONS, Element, Version, slots
from nexo_bridge.nexo.messages import BODIES, CATEGORIES, MessageHeader
from tests.nexo import corpus


def _lxml_schema(version: Version) -> etree.XMLSchema:
    return etree.XMLSchema(etree.fromstring(corpus.xsd(version)))


@pytest.mark.parametrize("version", VERSIONS)
def test_lxml_finds_every_sample_valid(version: Version) -> None:
    schema = _lxml_schema(version)
    for of, name in corpus.SAMPLES:
        if of == version:
            schema.assertValid(etree.fromstring(corpus.sample(name, version)))


@pytest.mark.parametrize(("version", "name"), corpus.SAMPLES)
def test_a_sample_breaks_no_rule_and_survives_the_round_trip(version: Version, name: str) -> None:
    message, found = corpus.read(corpus.sample(name, version), version)
    assert found == ()
    again, found = corpus.read(codec.encode(message, version, corpus.schemas()), version)
    assert found == ()
    assert again == message


@pytest.mark.parametrize("version", VERSIONS)
def test_every_category_has_a_sample_in_each_direction(version: Version) -> None:
    wanted = {
        body.__name__
        for name, category in CATEGORIES.items()
        for body in (category.request, category.response)
        if body is not None and (version == "3.1" or name != "TransactionReport")
    }
    there = {
        corpus.read(corpus.sample(name, of), of)[0].body_name for of, name in corpus.SAMPLES if of == version
    }
    assert there == wanted
    categories = {name.removesuffix("Response").removesuffix("Request") for name in wanted}
    assert len(categories) == (28 if version == "3.1" else 27)


def test_samples_are_named_after_their_body() -> None:
    for version, name in corpus.SAMPLES:
        body = corpus.read(corpus.sample(name, version), version)[0].body_name
        plain = body.removesuffix("Notification").lower()
        assert name.replace("-", "").startswith(plain), name


def test_samples_hold_what_the_bridge_must_understand() -> None:
    scanned = corpus.sample("payment-request-scanned-acquirer-data").decode()
    assert "<SaleToAcquirerData>scannedPaymentId=" in scanned
    token = corpus.sample("payment-request-scanned-token").decode()
    assert 'EntryMode="Scanned"' in token
    assert "TokenValue=" in token
    for name in ("busy", "logged-out", "message-format", "aborted", "declined"):
        answer = corpus.sample(f"payment-response-{name}").decode()
        assert "<SaleData>" in answer
        assert "<POIData" in answer


# ------------------------------------------------------------------------------------------------ mutations


class Mutation(NamedTuple):
    data: bytes
    path: str
    line: int


def _one_sample_for_each_body() -> list[tuple[Version, str]]:
    chosen: dict[tuple[Version, str], tuple[int, str]] = {}
    for version, name in corpus.SAMPLES:
        data = corpus.sample(name, version)
        body = str(etree.fromstring(data)[1].tag)
        chosen[version, body] = max(chosen.get((version, body), (0, "")), (len(data), name))
    return [(version, name) for (version, _), (_, name) in chosen.items()]


def _elements(root: etree._Element) -> Iterator[tuple[etree._Element, type[Element]]]:
    """Every element with structure and the class it is read into."""
    todo: list[tuple[etree._Element, type[Element]]] = [
        (root[0], MessageHeader),
        (root[1], BODIES[str(root[1].tag)]),
    ]
    while todo:
        node, cls = todo.pop()
        yield node, cls
        classes = {wire: child for slot in slots(cls) for wire, child in slot.classes.items()}
        todo += [(child, classes[str(child.tag)]) for child in node if child.tag in classes]


def _mutations(data: bytes, version: Version) -> Iterator[Mutation]:
    """One thing wrong at a time: each required attribute dropped, each element with an unknown attribute, ..."""
    root = etree.fromstring(etree.tostring(etree.fromstring(data)))  # lines without the XML declaration

    def mutation(at: etree._Element, step: str = "") -> Mutation:
        return Mutation(etree.tostring(root), root.getroottree().getpath(at) + step, int(str(at.sourceline)))

    for node, cls in _elements(root):
        for slot in slots(cls):
            if slot.required and slot.wire in node.attrib and slot.only in (None, version):
                value = node.attrib.pop(slot.wire)
                yield mutation(node, f"/@{slot.wire}")
                node.set(slot.wire, value)
        node.set("Unknown", "1")
        yield mutation(node, "/@Unknown")
        del node.attrib["Unknown"]
        for code in ("Result", "MessageClass", "PaymentType", "Device", "OutputFormat", "EntryMode"):
            if code in node.attrib:
                value = str(node.attrib[code])
                node.set(code, f"{value}x")
                yield mutation(node, f"/@{code}")
                node.set(code, value)
        stranger = etree.SubElement(node, "Stranger")
        line = int(str(node.sourceline))
        yield Mutation(etree.tostring(root), root.getroottree().getpath(stranger), line)
        node.remove(stranger)


@pytest.mark.parametrize(("version", "name"), _one_sample_for_each_body())
def test_a_sample_with_one_fault_is_refused_with_line_and_path(version: Version, name: str) -> None:
    schema = _lxml_schema(version)
    count = 0
    for mutation in _mutations(corpus.sample(name, version), version):
        count += 1
        document = codec.parse(mutation.data)
        assert not schema.validate(document.root)
        with pytest.raises(SchemaViolations) as refused:
            codec.decode(document, version, corpus.schemas(), corpus.seal)
        found = {violation.path: violation for violation in refused.value.violations}
        assert mutation.path in found, (mutation.path, found)
        if "Stranger" not in mutation.path:  # it stands at the end of its parent, which may have many lines
            assert found[mutation.path].line == mutation.line
        assert all(violation.fix and violation.expected and violation.found for violation in found.values())
    assert count > 3


@pytest.mark.parametrize(("version", "name"), _one_sample_for_each_body())
def test_the_wrong_order_two_bodies_no_body_and_no_header_are_refused(version: Version, name: str) -> None:
    data = corpus.sample(name, version)
    root = etree.fromstring(data)
    header, body = root[0], root[1]
    twice = etree.fromstring(data)
    twice.insert(2, etree.fromstring(data)[1])
    bodiless = etree.fromstring(data)
    bodiless.remove(bodiless[1])
    headless = etree.fromstring(data)
    headless.remove(headless[0])
    root.append(header)
    wrong = {"order": root, "two bodies": twice, "no body": bodiless, "no header": headless}
    swapped = etree.fromstring(data)
    for node, _ in _elements(swapped):
        if len(node) > 1 and node[-1].tag != node[0].tag:
            node.insert(0, node[-1])
            wrong[f"order in {node.tag}"] = swapped
            break
    assert body.tag in BODIES
    for what, tree in wrong.items():
        document = codec.parse(etree.tostring(tree))
        with pytest.raises(SchemaViolations) as refused:
            codec.decode(document, version, corpus.schemas(), corpus.seal)
        assert all(one.line and one.path.startswith("/SaleToPOI") for one in refused.value.violations), what


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "name", ["login-request", "login-response", "display-request-qrcode", "payment-response-signature"]
)
def test_a_message_of_one_version_is_refused_in_the_other(name: str, version: Version) -> None:
    document = codec.parse(corpus.sample(name, version))
    with pytest.raises(SchemaViolations):
        codec.decode(document, "3.0" if version == "3.1" else "3.1", corpus.schemas(), corpus.seal)
