"""Messages with slips, and what tolerant mode makes of them, for tests."""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from nexo_bridge.nexo import codec, slips
from nexo_bridge.nexo.document import Document
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.grammar import Grammar
from nexo_bridge.nexo.messages import Message
from nexo_bridge.nexo.tolerance import TOLERANT, Tolerance, put_right
from tests.nexo import corpus

GRAMMARS: Mapping[Version, Grammar] = {version: Grammar(corpus.xsd(version)) for version in VERSIONS}
WORDS = slips.Words(GRAMMARS.values())


def text(root: etree._Element) -> bytes:
    return etree.tostring(root, method="c14n")


def relaxed(
    data: bytes, tolerance: Tolerance = TOLERANT, version: Version = "3.1"
) -> tuple[Document, Mapping[str, int]]:
    return put_right(codec.parse(data), tolerance, GRAMMARS[version], WORDS)


def decoded(document: Document, version: Version = "3.1") -> Message:
    return codec.decode(document, version, corpus.schemas(), corpus.seal)


def payment(
    on_request: bytes = b"",
    on_amounts: bytes = b"",
    within: bytes = b"",
    amount: bytes = b"10.00",
    behind: bytes = b"",
) -> bytes:
    return (
        b'<SaleToPOIRequest><MessageHeader MessageClass="Service" MessageCategory="Payment" MessageType="Request" '
        b'ServiceID="7" SaleID="S1" POIID="P1"/><PaymentRequest' + on_request + b"><SaleData>"
        b'<SaleTransactionID TransactionID="T7" TimeStamp="2026-03-01T10:15:30Z"/></SaleData><PaymentTransaction>'
        b'<AmountsReq Currency="EUR" RequestedAmount="' + amount + b'"' + on_amounts + b"/>" + within + b""
        b"</PaymentTransaction>" + behind + b"</PaymentRequest></SaleToPOIRequest>"
    )


def reference(category: bytes, body: bytes) -> bytes:
    return (
        b'<SaleToPOIRequest><MessageHeader MessageClass="Service" MessageCategory="' + category + b'" '
        b'MessageType="Request" ServiceID="7" SaleID="S1" POIID="P1"/>' + body + b"</SaleToPOIRequest>"
    )
