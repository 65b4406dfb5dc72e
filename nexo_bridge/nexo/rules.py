"""Rules the XSD cannot say, checked on a message that is valid by the XSD.

``violations`` is the entrance: the codec calls it for what comes in and for what goes out. ``header_violations`` is
its first half, for a document whose body cannot be read. The words of every rule are in ``rule_table``, what the
rules of single elements look at is in ``body_rules``; here are the header and the values that occur everywhere.
Source of the rules: remarks of the schema files, and what products publish.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from nexo_bridge import money
from nexo_bridge.errors import Violation
from nexo_bridge.money import Amount
from nexo_bridge.nexo import rule as limits
from nexo_bridge.nexo.body_rules import CHECKS, NOTHING, Finding, quoted
from nexo_bridge.nexo.document import ROOTS, Envelope, Kind
from nexo_bridge.nexo.elements import Element, Place, Slot, slots
from nexo_bridge.nexo.messages import BODIES, CATEGORIES, Message
from nexo_bridge.nexo.rule_table import RULES
from nexo_bridge.nexo.values import Day, Timestamp

Lines = Callable[[str], int]
"""Line of the element (or of the element of the attribute) an XPath names, 0 if unknown: ``Document.line``."""

_ADDRESSES = ("SaleID", "POIID")
_EXCHANGE_IDS = ("SaleID", "POIID", "ServiceID", "DeviceID")
_IDENTIFIERS = frozenset(
    """SaleID POIID ServiceID DeviceID TransactionID SaleReferenceID OperatorID ShiftNumber CustomerOrderID AccessedBy
    POISerialNumber MerchantID AcquirerPOIID HostReconciliationID ReferenceID PlanID LoyaltyAcquirerID
    LoggedSaleID KeyReference DestinationAddress""".split()
)
_VERSION = re.compile(r"[vV]?\d{1,3}(\.\d{1,3}){0,2}([-+ ][0-9A-Za-z.]+)?")
_PLAIN_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,12})?")
_PATH = re.compile(r"(^|[/\\])\.{1,2}([/\\]|$)|^[/\\~]|^[A-Za-z]:[/\\]")
_NOT_MONEY = frozenset({"Quantity", "Rate", "Markup"})
_OPEN_ENDED = frozenset({"ExpiryDateTime", "EndDate"})  # year 9999 is how "never" is written there
_ROOT_OF: Mapping[Kind, str] = {kind: root for root, kind in ROOTS.items()}
_CATEGORY_OF_BODY = {
    body.__name__: name
    for name, category in CATEGORIES.items()
    for body in (category.request, category.response)
    if body is not None
}


def no_lines(path: str) -> int:  # noqa: ARG001  it stands for a document, and there is none
    """The lines of a message that was never a document: none is known."""
    return 0


def violations(
    message: Message, envelope: Envelope | None = None, lines: Lines = no_lines
) -> tuple[Violation, ...]:
    """Every broken rule of ``message``, warnings among them: header first, then the body in document order.

    Args:
        message: valid by the XSD.
        envelope: what the document said, None for a message of our own.
        lines: of the document.
    """
    return _written(
        envelope or _envelope(message),
        [*_walk(message.header, "/MessageHeader"), *_walk(message.body, f"/{message.body_name}")],
        lines,
    )


def header_violations(envelope: Envelope, lines: Lines = no_lines) -> tuple[Violation, ...]:
    """Every broken rule of a header alone, for a document whose body breaks the schema."""
    return _written(
        envelope,
        [
            finding
            for wire, text in envelope.header.items()
            for finding in _identifier(wire, text, f"/MessageHeader/@{wire}")
        ],
        lines,
    )


def _envelope(message: Message) -> Envelope:
    values = ((slot.wire, getattr(message.header, slot.field)) for slot in slots(type(message.header)))
    header = {wire: value for wire, value in values if value is not None}
    return Envelope(message.kind, message.body_name, header)


def _written(envelope: Envelope, found: list[Finding], lines: Lines) -> tuple[Violation, ...]:
    repeats = envelope.kind == "response" or envelope.body_name == "EventNotification"
    result = []
    for finding in [*_header(envelope), *found]:
        rule = RULES[finding.rule]
        path = f"/{_ROOT_OF[envelope.kind]}{finding.below}"
        warning = rule.warning or (rule.repeated and repeats)
        result.append(
            Violation(rule.id, lines(path), path, rule.says, finding.found, rule.fix, warning=warning)
        )
    return tuple(result)


def _header(envelope: Envelope) -> Iterator[Finding]:
    header, body_name = envelope.header, envelope.body_name
    message_class = header.get("MessageClass", "")
    category = header.get("MessageCategory", "")
    type_ = header.get("MessageType", "")
    if category and body_name in BODIES and category != _CATEGORY_OF_BODY[body_name]:
        yield _at("NX-001", "MessageCategory", f"{quoted(category)} for {body_name}")
    if type_ and type_ != _type_of(envelope):
        yield _at("NX-002", "MessageType", f"{quoted(type_)} in {_ROOT_OF[envelope.kind]}")
    if message_class and category in CATEGORIES and message_class != CATEGORIES[category].message_class:
        yield _at("NX-003", "MessageClass", f"{quoted(message_class)} for {category}")
    yield from _exchange_ids(message_class, header)
    version = header.get("ProtocolVersion")
    if version is not None:
        if len(version) > limits.VERSION_LIMIT or _control(version):
            yield _at("NX-009", "ProtocolVersion", quoted(version))
        elif not _VERSION.fullmatch(version):
            yield _at("NX-008", "ProtocolVersion", quoted(version))
    for address in _ADDRESSES:
        if address in header and not header[address].strip():
            yield _at("NX-010" if message_class == "Service" else "NX-011", address, quoted(header[address]))


def _exchange_ids(message_class: str, header: Mapping[str, str]) -> Iterator[Finding]:
    service_id, device_id = header.get("ServiceID"), header.get("DeviceID")
    if message_class == "Service":
        if service_id is None:
            yield Finding("NX-004", "/MessageHeader", NOTHING)
        if device_id is not None:
            yield _at("NX-007", "DeviceID", quoted(device_id))
    elif message_class == "Device":
        if device_id is None:
            yield Finding("NX-005", "/MessageHeader", NOTHING)
    elif message_class == "Event":
        if service_id is not None:
            yield _at("NX-006", "ServiceID", quoted(service_id))
        elif device_id is None:
            yield Finding("NX-006", "/MessageHeader", NOTHING)


def _at(rule: str, attribute: str, found: str) -> Finding:
    return Finding(rule, f"/MessageHeader/@{attribute}", found)


def _type_of(envelope: Envelope) -> str:
    if envelope.kind == "response":
        return "Response"
    return "Notification" if envelope.body_name == "EventNotification" else "Request"


def _walk(element: Element, path: str) -> Iterator[Finding]:
    """What is wrong with ``element`` and all below it."""
    for check in CHECKS.get(type(element), ()):
        for finding in check(element):
            yield finding._replace(below=f"{path}{finding.below}")
    currency = getattr(element, "currency", None)
    for slot in slots(type(element)):
        value = getattr(element, slot.field)
        if value is None:
            continue
        values = value if slot.repeated else (value,)
        for number, item in enumerate(values, 1):
            position = f"[{number}]" if len(values) > 1 else ""
            if isinstance(item, Element):
                name = slot.wire if len(slot.classes) == 1 else type(item).__name__
                yield from _walk(item, f"{path}/{name}{position}")
            else:
                yield from _value(slot, item, f"{path}{_step(slot)}{position}", currency)


def _step(slot: Slot) -> str:
    if slot.place is Place.ATTRIBUTE:
        return f"/@{slot.wire}"
    return "" if slot.place is Place.TEXT else f"/{slot.wire}"


def _value(slot: Slot, value: object, at: str, currency: str | None) -> Iterator[Finding]:
    if isinstance(value, Amount):
        if slot.wire not in _NOT_MONEY:
            yield from _amount(value.text, at, currency)
    elif isinstance(value, Timestamp):
        if slot.wire not in _OPEN_ENDED and not _plausible(value):
            yield Finding("NX-024", at, quoted(value))
    elif isinstance(value, Day):
        try:
            value.day()
        except ValueError:
            yield Finding("NX-025", at, quoted(value))
    elif isinstance(value, str):
        if slot.wire.endswith("Currency"):
            yield from _currency(value, at)
        yield from _identifier(slot.wire, value, at)
    elif isinstance(value, int) and value < 0 and slot.wire != "SerialNumber":
        yield Finding("NX-023", at, quoted(str(value)))


def _amount(text: str, at: str, currency: str | None) -> Iterator[Finding]:
    if not _PLAIN_AMOUNT.fullmatch(text):
        yield Finding("NX-020", at, quoted(text))
    elif currency is not None:
        decimals = len(text.partition(".")[2].rstrip("0"))
        try:
            allowed = money.exponent(currency)
        except ValueError:
            return  # the currency itself is reported
        if decimals > allowed:
            yield Finding("NX-021", at, f"{quoted(text)} with {decimals} decimals for {currency}")


def _currency(code: str, at: str) -> Iterator[Finding]:
    try:
        money.exponent(code)
    except ValueError:
        yield Finding("NX-022", at, quoted(code))


def _plausible(moment: Timestamp) -> bool:
    year = moment.strip(" \t\r\n").partition("-")[0]
    return year.isdigit() and limits.FIRST_YEAR <= int(year[:6]) <= limits.LAST_YEAR


def _identifier(wire: str, text: str, at: str) -> Iterator[Finding]:
    if wire not in _IDENTIFIERS:
        return
    address = wire in _ADDRESSES
    if _control(text):
        yield Finding("NX-012", at, quoted(text))
    if wire in _EXCHANGE_IDS and _PATH.search(text):
        yield Finding("NX-013", at, quoted(text))
    if address and len(text) > limits.ADDRESS_LIMIT:
        yield Finding("NX-014", at, _long(text))
    elif address and len(text.encode()) > limits.POIID_PUBLISHED_LIMIT:
        yield Finding("NX-016", at, _long(text))
    elif not address and len(text) > limits.ID_LIMIT:
        yield Finding("NX-015", at, _long(text))
    elif wire == "TransactionID" and len(text) > limits.TRANSACTION_ID_PUBLISHED_LIMIT:
        yield Finding("NX-017", at, _long(text))
    if wire == "TransactionID" and not text.strip():
        yield Finding("NX-018", at, quoted(text))
    elif text != text.strip():
        yield Finding("NX-019", at, quoted(text))


def _long(text: str) -> str:
    return f"{len(text)} characters, {quoted(text[:20])}…"


def _control(text: str) -> bool:
    """Whether ``text`` has controls, line ends, direction marks or blanks other than the plain one."""
    return not text.isprintable()
