"""From bytes to a parsed document, hardened (H01 to H10, H12): what is refused here never reaches a schema.

The checks before the parse see the bytes, and they are only sound because the encoding is settled first: in UTF-16
or UTF-7 a scan for ``<!DOCTYPE`` finds nothing. Nothing is ever fetched, whatever a document asks for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, cast

from lxml import etree

from nexo_bridge.errors import NotXml, Violation
from nexo_bridge.nexo.elements import Version
from nexo_bridge.redaction import printable

Kind = Literal["request", "response"]

ROOTS: Mapping[str, Kind] = {"SaleToPOIRequest": "request", "SaleToPOIResponse": "response"}

MAX_DEPTH = 32
"""Levels of elements; the deepest valid message has about half of them."""
MAX_TAGS = 50_000
"""Start and end tags; a receipt of some hundred lines has a thousand."""
MAX_ATTRIBUTES = 64
"""Attributes of one element; the richest valid element has eighteen."""

_BOM = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = (b"\xfe\xff", b"\xff\xfe", b"\x00\x00", b"+/v")
_DECLARED = re.compile(rb"<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([^\"']*)[\"']")
_TAG = re.compile(rb"(?:[^>\"']++|\"[^\"]*+\"|'[^']*+')*+")
_QUOTED = re.compile(rb"\"[^\"]*+\"|'[^']*+'")
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")")
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_HINTS = (f"{_XSI}schemaLocation", f"{_XSI}noNamespaceSchemaLocation")
_STEP = re.compile(r"([^/\[\]@]+)(?:\[(\d+)\])?")

_WORDS = {
    etree.ErrorTypes.ERR_TAG_NAME_MISMATCH: "an end tag does not match its start tag",
    etree.ErrorTypes.ERR_GT_REQUIRED: "a tag is not finished",
    etree.ErrorTypes.ERR_RESOURCE_LIMIT: "elements are nested too deeply, or one text is too long",
    etree.ErrorTypes.ERR_TAG_NOT_FINISHED: "the document ends before its root element does",
    etree.ErrorTypes.ERR_DOCUMENT_END: "something follows the end of the root element",
    etree.ErrorTypes.ERR_DOCUMENT_EMPTY: "there is no element",
    etree.ErrorTypes.ERR_ATTRIBUTE_REDEFINED: "an attribute is given twice",
    etree.ErrorTypes.ERR_UNDECLARED_ENTITY: "an entity is used that XML does not define by itself",
    etree.ErrorTypes.ERR_INVALID_CHAR: "a character that XML does not allow",
    etree.ErrorTypes.ERR_RESERVED_XML_NAME: "the XML declaration is not at the very beginning",
    etree.ErrorTypes.ERR_LT_IN_ATTRIBUTE: "a < inside an attribute value; write &lt;",
    etree.ErrorTypes.ERR_ATTRIBUTE_NOT_STARTED: "an attribute value without quotes",
    etree.ErrorTypes.NS_ERR_UNDEFINED_NAMESPACE: "a prefix without a namespace; nexo uses none",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What can be read of a message even if its body is invalid.

    Attributes:
        kind: by the root element.
        body_name: element name of the body, empty if there is none.
        header: the attributes of MessageHeader as they stand, unchecked.
    """

    kind: Kind
    body_name: str
    header: Mapping[str, str]


class Document:
    """A well-formed, harmless document whose root is one of the two of nexo. Made by ``parse``."""

    __slots__ = ("root",)

    def __init__(self, root: etree._Element) -> None:
        self.root = root

    @property
    def envelope(self) -> Envelope | None:
        """Header and name of the body; None if there is no MessageHeader."""
        header = self.root.find("MessageHeader")
        if header is None:
            return None
        bodies = (
            str(child.tag) for child in self.root if child.tag not in ("MessageHeader", "SecurityTrailer")
        )
        return Envelope(
            kind=ROOTS[str(self.root.tag)],
            body_name=next(bodies, ""),
            header={str(name): str(value) for name, value in header.attrib.items()},
        )

    def in_version(self, version: Version) -> Document:  # noqa: ARG002  in XML both versions read alike
        """The document as it has to be read as ``version``."""
        return self

    def copy(self) -> Document:
        """The same document with a ``root`` of its own, which may be changed."""
        return Document(deepcopy(self.root))

    @property
    def faults(self) -> tuple[Violation, ...]:
        """What is wrong with how it was written, beyond what a schema can see of ``root``."""
        return ()

    def located(self, violation: Violation) -> Violation:
        """``violation`` as the writer of the document understands it."""
        return violation

    def place(self, path: str) -> str:
        """What the writer of the document calls the place at an XPath of plain steps."""
        return path

    def line(self, path: str) -> int:
        """Line of the element (or the element of the attribute) at an XPath of plain steps; 0 if there is none."""
        element = self.element(path)
        return 0 if element is None else line_of(element)

    def element(self, path: str) -> etree._Element | None:
        """The element (or the element of the attribute) at an XPath of plain steps."""
        first, *steps = _STEP.findall(path.partition("@")[0])
        if first[0] != self.root.tag:
            return None
        element = self.root
        for name, place in steps:
            same = element.findall(name)
            if len(same) < int(place or 1):
                return None
            element = same[int(place or 1) - 1]
        return element


def line_of(element: etree._Element) -> int:
    """Line where the start tag of ``element`` ends."""
    return int(cast("Any", element).sourceline or 0)  # the stubs do not know its type


def parse(data: bytes) -> Document:
    """Parse ``data``, or say why not. Safe on any bytes, in any thread; bounded by the limits above.

    Comments and processing instructions are dropped, and text around them joins (H09). Schema hints are dropped.

    Raises:
        NotXml: the text names the line and what to do; it never quotes the content.
    """
    data = data.removeprefix(_BOM)
    check_encoding(data)
    _check_bounds(data)
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as fault:
        line, column = fault.position
        what = _WORDS.get(getattr(fault, "code", 0), "the markup is broken")
        raise NotXml(f"not well-formed XML: line {line}, column {column}: {what}") from None
    _check_namespaces(root, data)
    if _TOO_DEEP(root):
        raise NotXml(f"elements are nested deeper than {MAX_DEPTH} levels; no nexo message is")
    return Document(root)


def check_encoding(data: bytes) -> None:
    """Refuse what is not UTF-8, and NUL.

    Raises:
        NotXml: see ``parse``.
    """
    if data.startswith(_OTHER_ENCODINGS):
        raise NotXml("not UTF-8; send the message as UTF-8")
    if b"\x00" in data:
        raise NotXml(f"line {_line(data, data.index(0))}: a NUL byte; send plain UTF-8 text")
    declared = _DECLARED.match(data)
    if declared and declared[1].upper() != b"UTF-8":
        raise NotXml(
            "the XML declaration names another encoding than UTF-8; send UTF-8 and say so, or leave it out"
        )
    try:
        data.decode()
    except UnicodeDecodeError as fault:
        raise NotXml(f"line {_line(data, fault.start)}: not UTF-8; send the message as UTF-8") from None


def _check_bounds(data: bytes) -> None:
    start = data.lstrip(b" \t\r\n")[:1]
    if start != b"<":
        what = "this is JSON; send XML" if start in (b"{", b"[") else "an XML message begins with <"
        raise NotXml(f"not XML: {what if start else 'the message is empty'}")
    if b"<!DOCTYPE" in data:
        where = _line(data, data.index(b"<!DOCTYPE"))
        raise NotXml(f"line {where}: a DOCTYPE is never accepted; leave it out")
    if data.count(b"<") > MAX_TAGS:
        raise NotXml(f"more than {MAX_TAGS} tags; split the message")
    for segment in data.split(b"<"):
        quotes = segment.count(b'"') + segment.count(b"'")
        if quotes > 2 * MAX_ATTRIBUTES and not segment.startswith(
            (b"!", b"?")
        ):  # CDATA and the like have none
            (tag,) = islice(_TAG.finditer(segment), 1)
            if len(_QUOTED.findall(tag[0])) > MAX_ATTRIBUTES:
                raise NotXml(
                    f"an element with more than {MAX_ATTRIBUTES} attributes; no nexo element has them"
                )


def _check_namespaces(root: etree._Element, data: bytes) -> None:
    name = etree.QName(root)
    if name.localname == "Document" or "iso:20022" in (name.namespace or ""):
        raise NotXml("this is nexo Retailer 4 or later (ISO 20022 CASP); send version 3.0 or 3.1")
    if name.namespace:
        raise NotXml(
            f"the root has the namespace {printable(name.namespace, 80)}; nexo 3 has none, leave it out"
        )
    if name.localname not in ROOTS:
        raise NotXml(
            f"the root element is {printable(name.localname, 40)}; nexo has SaleToPOIRequest and SaleToPOIResponse"
        )
    if b"XMLSchema-instance" not in data:
        return
    for element in root.iter():
        for attribute in list(element.attrib):
            if attribute in _HINTS:
                del element.attrib[attribute]  # a hint where a schema may be; ours is the only one
            elif str(attribute).startswith(_XSI):
                raise NotXml(
                    f"line {line_of(element)}: an xsi attribute other than a schema hint; leave it out"
                )


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1
