"""XML to messages and back.

``parse`` takes bytes apart, ``decode`` makes a message of a valid document, ``encode`` writes one and validates what
it wrote. For every message ``decode(parse(encode(message))) == message``. One set of classes serves both protocol
versions; the version is an argument.

What is written: a field that is None is left out; a field left at the schema's default is written only if it was
set, so a decoded message is written as it came. There is no white space between elements: some receivers refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeVar

from lxml import etree

from nexo_bridge.errors import BridgeError, SchemaViolations, Violation
from nexo_bridge.money import Amount
from nexo_bridge.nexo import document as xml
from nexo_bridge.nexo import json_form, rules
from nexo_bridge.nexo.document import ROOTS, Document, Envelope, line_of
from nexo_bridge.nexo.elements import Element, Place, Slot, Version, slots
from nexo_bridge.nexo.explain import MAX_VIOLATIONS
from nexo_bridge.nexo.form import Form
from nexo_bridge.nexo.messages import BODIES, ContentInformation, Message, MessageHeader
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.nexo.tolerance import STRICT, Tolerance
from nexo_bridge.nexo.values import Day, Timestamp
from nexo_bridge.redaction import Secret

__all__ = [
    "Decoded",
    "Document",
    "Envelope",
    "InvalidOutput",
    "Sealer",
    "build",
    "decode",
    "decode_any",
    "encode",
    "parse",
    "read",
    "write",
]

Sealer = Callable[[str], Secret]
"""Wraps a clear value; the key stays with the caller."""

_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
_ROOT_OF = {kind: root for root, kind in ROOTS.items()}
_MAX_DIGITS = 100
"""Characters of a whole number. The schema has no limit; Python's numbers have one, and refuse by an exception."""
E = TypeVar("E", bound=Element)


class InvalidOutput(BridgeError, AssertionError):
    """A message of our own that must not be sent: a defect of the bridge, never of the POS.

    Attributes:
        violations: what the schema or the rules found; empty if the message could not even be written.
    """

    def __init__(self, text: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(text)
        self.violations = violations


def parse(data: bytes, form: Form = "xml") -> Document:
    """Parse a message written in ``form``, or say why not. Safe on any bytes, in any thread.

    Raises:
        NotXml: the text names the place and what to do; it never quotes the content.
    """
    return xml.parse(data) if form == "xml" else json_form.parse(data)


def decode(document: Document, version: Version, schemas: Schemas, secret: Sealer) -> Message:
    """The message of ``document``, read as ``version``.

    Args:
        document: from ``parse``.
        version: protocol version to read it as.
        schemas: of the calling thread.
        secret: seals each secret value.

    Raises:
        SchemaViolations: every fault by the schema; if there is none, every broken rule of ``nexo.rules``.
    """
    message, found = read(document, version, schemas, secret)
    broken = tuple(violation for violation in found if not violation.warning)
    if broken:
        raise SchemaViolations(broken)
    return message


class Decoded(NamedTuple):
    """A message and how it was read.

    Attributes:
        version: the first that took it.
        tolerated: how often which transformation of ``tolerance`` it needed; None for a message valid as it came.
    """

    message: Message
    version: Version
    tolerated: dict[str, int] | None


def decode_any(
    document: Document,
    versions: Sequence[Version],
    schemas: Schemas,
    secret: Sealer,
    tolerance: Tolerance = STRICT,
) -> Decoded:
    """The message as it came, if any of ``versions`` takes it so; else with what is forgiven put right.

    Raises:
        SchemaViolations: what the first version finds wrong and nobody forgives. More than ``MAX_VIOLATIONS`` faults
            are no slips, and nothing of them is forgiven: that bounds the time it takes.
    """
    first: SchemaViolations | None = None
    for version in versions:
        try:
            return Decoded(decode(document, version, schemas, secret), version, None)
        except SchemaViolations as refusal:
            first = first or refusal
    assert first is not None, "there is at least one version"
    if not tolerance.names or len(first.violations) >= MAX_VIOLATIONS:
        raise first
    left: SchemaViolations | None = None
    for version in versions:
        changed = schemas.put_right(document, version, tolerance)
        try:
            message = decode(changed.document, version, schemas, secret)
        except SchemaViolations as refusal:
            left = left or refusal
        else:
            return Decoded(message, version, dict(changed.counts))
    assert left is not None, "each version refused it"
    raise left


def read(
    document: Document, version: Version, schemas: Schemas, secret: Sealer
) -> tuple[Message, tuple[Violation, ...]]:
    """The message of ``document`` with every rule of ``nexo.rules`` it breaks, warnings among them.

    For those who want to see warnings, or a message in spite of broken rules; arguments as for ``decode``.

    Raises:
        SchemaViolations: every fault by the schema.
    """
    document = document.in_version(version)
    faults = _faults(document, schemas.validate(document, version))
    if faults:
        raise SchemaViolations(faults)
    message = build(document, version, secret)
    envelope = document.envelope
    assert envelope is not None  # the schema wants a header
    return message, tuple(map(document.located, rules.violations(message, envelope, document.line)))


def _faults(document: Document, by_schema: tuple[Violation, ...]) -> tuple[Violation, ...]:
    """What is wrong with how ``document`` was written, then what the schema finds elsewhere."""
    told = {fault.path for fault in document.faults}
    return document.faults + tuple(
        located for fault in by_schema if (located := document.located(fault)).path not in told
    )


def build(document: Document, version: Version, secret: Sealer) -> Message:
    """The message of a ``document`` that is valid by the schema of ``version``; its rules are not looked at.

    Raises:
        SchemaViolations: a whole number too long for this program.
    """
    reader = _Reader(version, secret)
    root = document.root
    header, body, *trailer = root
    message = Message(
        kind=ROOTS[str(root.tag)],
        header=reader.element(header, MessageHeader),
        body=reader.element(body, BODIES[str(body.tag)]),
        trailer=reader.element(trailer[0], ContentInformation) if trailer else None,
    )
    if reader.too_long:
        raise SchemaViolations(tuple(reader.too_long))
    return message


def encode(message: Message, version: Version, schemas: Schemas) -> bytes:
    """``message`` as UTF-8 XML of ``version``, validated by the schema and the rules.

    Raises:
        InvalidOutput: it has content this version does not know, breaks the schema or a rule, holds a secret whose
            clear value is gone, or a character that XML cannot carry.
    """
    document = write(message, version)
    envelope = document.envelope
    assert envelope is not None  # written above
    faults = schemas.validate(document, version) or tuple(
        found for found in rules.violations(message, envelope, document.line) if not found.warning
    )
    if faults:
        first = faults[0]
        raise InvalidOutput(f"{first.rule} at {first.path}: {first.expected}; found {first.found}", faults)
    return _DECLARATION + etree.tostring(document.root, encoding="UTF-8", xml_declaration=False)


def write(message: Message, version: Version) -> Document:
    """``message`` as a document, not yet validated.

    Raises:
        InvalidOutput: it has content this version does not know, a secret whose clear value is gone, or a character
            that XML cannot carry.
    """
    root = etree.Element(_ROOT_OF[message.kind])
    writer = _Writer(version)
    try:
        writer.element(root, "MessageHeader", message.header)
        writer.element(root, message.body_name, message.body)
        if message.trailer is not None:
            writer.element(root, "SecurityTrailer", message.trailer)
    except (
        ValueError,
        LookupError,
    ) as fault:  # lxml refuses control characters; a secret may be an HMAC alone
        raise InvalidOutput(f"{message.body_name} cannot be written: {fault}") from None
    return Document(root)


class _Table(NamedTuple):
    """The fields of a class by wire name, as they stand in one version."""

    attributes: Mapping[str, Slot]
    elements: Mapping[str, Slot]
    text: Slot | None


@cache
def _table(cls: type[Element], version: Version) -> _Table:
    attributes, elements, text = {}, {}, None
    for slot in slots(cls):
        place = slot.placed(version)
        if place is Place.ATTRIBUTE:
            attributes[slot.wire] = slot
        elif place is Place.TEXT:
            text = slot
        else:
            elements.update(dict.fromkeys(slot.classes or (slot.wire,), slot))
    return _Table(attributes, elements, text)


class _Reader:
    """Makes elements of XML that is valid, so every name is known and every value converts."""

    def __init__(self, version: Version, secret: Sealer) -> None:
        self._version = version
        self._secret = secret
        self.too_long: list[Violation] = []

    def element(self, node: etree._Element, cls: type[E]) -> E:
        table = _table(cls, self._version)
        values: dict[str, Any] = {}
        for name, text in node.attrib.items():
            slot = table.attributes[str(name)]
            values[slot.field] = self._value(slot, str(text), node)
        for child in node:
            slot = table.elements[str(child.tag)]
            if slot.classes:
                item: Any = self.element(child, slot.classes[str(child.tag)])
            else:
                item = self._value(slot, child.text or "", child)
            if slot.repeated:
                values.setdefault(slot.field, []).append(item)
            else:
                values[slot.field] = item
        if table.text is not None:
            values[table.text.field] = self._value(table.text, node.text or "", node)
        return cls.model_validate(values)

    def _value(self, slot: Slot, text: str, node: etree._Element) -> Any:
        if slot.listed:
            return tuple(text.split())
        if slot.kind is int and len(text) > _MAX_DIGITS:
            self.too_long.append(_too_long(slot, node))
            return 0
        return self._secret(text) if slot.kind is Secret else _READ[slot.kind](text)


def _too_long(slot: Slot, node: etree._Element) -> Violation:
    return Violation(
        rule="XSD-VALUE-RANGE",
        line=line_of(node),
        path=node.getroottree().getpath(node) + (f"/@{slot.wire}" if slot.place is Place.ATTRIBUTE else ""),
        expected=f"a whole number of at most {_MAX_DIGITS} characters",
        found="a longer one",
        fix="write fewer digits",
    )


_READ: Mapping[type[Any], Callable[[str], Any]] = {
    str: str,
    bool: lambda text: text.strip() in ("true", "1"),
    int: int,
    Amount: Amount,
    Timestamp: Timestamp,
    Day: Day,
}


class _Writer:
    """Makes XML of elements, in schema order; raises ValueError or LookupError for what cannot be written."""

    def __init__(self, version: Version) -> None:
        self._version = version

    def element(self, parent: etree._Element, name: str, element: Element) -> None:
        node = etree.SubElement(parent, name)
        for slot in slots(type(element)):
            value = getattr(element, slot.field)
            place = slot.placed(self._version)
            if value is None and place is Place.TEXT:
                raise ValueError(f"version {self._version} needs {slot.wire} in {name}")
            if slot.required or (
                slot.field in element.model_fields_set and value is not None and value != ()
            ):
                self._field(node, slot, place, value)

    def _field(self, node: etree._Element, slot: Slot, place: Place, value: Any) -> None:
        if slot.only not in (None, self._version):
            raise ValueError(f"{slot.wire} of {node.tag} exists in version {slot.only} only")
        if place is Place.ATTRIBUTE:
            node.set(slot.wire, _text(value))
        elif place is Place.TEXT:
            node.text = _text(value)
        else:
            for item in value if slot.repeated else (value,):
                if isinstance(item, Element):
                    self.element(node, slot.wire if slot.wire in slot.classes else type(item).__name__, item)
                else:
                    etree.SubElement(node, slot.wire).text = _text(item)


def _text(value: Any) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return " ".join(value)
    return str(value)
