"""Whether a message says what a script expects. Pure; every difference is told with what was expected and found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from lxml import etree

from nexo_bridge.conversation.grammar import Told
from nexo_bridge.nexo import codec
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.form import form_of

_PARTS = frozenset({"code", "retry", "at", "text"})
"""Parts of AdditionalResponse and of EventDetails, which have one format: ``code=…; retry=…; at=…; text=…``."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One message to a POS, as it came.

    Attributes:
        data: XML or JSON.
        version: protocol version in which JSON is read.
    """

    data: bytes
    version: Version = field(default="3.1", compare=False)

    @property
    def root(self) -> etree._Element:
        """Its root element; of JSON, that of the XML it stands for."""
        return codec.parse(self.data, form_of(self.data)).in_version(self.version).root

    @property
    def header(self) -> dict[str, str]:
        """The attributes of its MessageHeader."""
        return {str(name): str(value) for name, value in self.root[0].attrib.items()}

    @property
    def category(self) -> str:
        """MessageCategory."""
        return self.header.get("MessageCategory", "")

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return self.root.tag == "SaleToPOIResponse"

    @property
    def condition(self) -> str:
        """ErrorCondition, empty without one."""
        found = self.root[1].find("Response")
        return "" if found is None else str(found.get("ErrorCondition", ""))

    @property
    def result(self) -> str:
        """Result, empty for what is no response."""
        found = self.root[1].find("Response")
        return "" if found is None else str(found.get("Result", ""))

    @property
    def code(self) -> str:
        """The stable code of a failure, empty without one."""
        return parts(self.root[1]).get("code", "")

    def __str__(self) -> str:
        return shown(self.root[0], self.root[1])


def differences(heard: Heard, told: Told) -> list[str]:
    """Why ``heard`` is not what ``told`` wants; empty if it is."""
    return list(_differ(heard.root[0], heard.root[1], told))


def inner_differences(heard: Heard, told: Told) -> list[str]:
    """The same for the message that ``heard`` repeats."""
    parts = _repeated(heard)
    return ["it repeats no message"] if parts is None else list(_differ(*parts, told))


def repeats(heard: Heard, original: Heard) -> bool:
    """Whether ``heard`` has the header and the body of ``original`` in it (rule R9)."""
    parts = _repeated(heard)
    return parts is not None and [_same(part) for part in parts] == [
        _same(part) for part in (original.root[0], original.root[1])
    ]


def _same(part: etree._Element) -> bytes:
    """``part`` in canonical form, without white space between elements."""
    return bytes(etree.tostring(etree.fromstring(etree.tostring(part, with_tail=False)), method="c14n"))


def _repeated(heard: Heard) -> tuple[etree._Element, etree._Element] | None:
    found = heard.root[1].find("RepeatedMessageResponse")
    if found is None or len(found) < 2:
        return None
    return found[0], found[1]


def _differ(header: etree._Element, body: etree._Element, told: Told) -> Iterator[str]:
    category = header.get("MessageCategory")
    if category != told.category:
        yield f"it is {category}, not {told.category}"
        return
    response = body.find("Response")
    if response is not None:
        said = [str(response.get("Result")), str(response.get("ErrorCondition") or "")]
        for wanted, came in zip(told.words, said, strict=False):
            if wanted != came:
                yield f"{wanted} was expected, {came or 'nothing'} came"
        if len(told.words) > 2:
            yield f"{' '.join(told.words[2:])} is too much: Result and ErrorCondition are compared"
    else:
        there = {str(value) for node in body.iter(etree.Element) for value in node.attrib.values()}
        yield from (f"{word} was expected" for word in told.words if word not in there)
    for name, how, wanted in told.values:
        got = _value(header, body, name)
        if wanted == "none":
            good = got is None
        elif got is None:
            good = False
        else:
            good = wanted in {"any", got} or (how == "~=" and wanted in got)
        if not good:
            yield f"{name}{how}{wanted} was expected, {'none' if got is None else repr(got)} came"


def _value(header: etree._Element, body: etree._Element, name: str) -> str | None:
    """The first thing of that name: a part of the text for programs, an attribute, or an element's text."""
    if name in _PARTS:
        return parts(body).get(name)
    if name in header.attrib and name not in body.attrib:
        return str(header.get(name))
    for node in _outside(body):
        if name in node.attrib:
            return str(node.get(name))
        if node.tag == name:
            return node.text or ""
    return None


def _outside(body: etree._Element) -> Iterator[etree._Element]:
    """The elements of ``body``, without those of a message repeated in it."""
    yield body
    for child in body:
        if child.tag != "RepeatedMessageResponse":
            yield from _outside(child)


def parts(body: etree._Element) -> dict[str, str]:
    """``code``, ``retry``, ``at`` and ``text`` of a failed response or an Event."""
    text = body.findtext("Response/AdditionalResponse") or body.findtext("EventDetails") or ""
    found = {}
    for part in text.split("; "):
        name, equals, value = part.partition("=")
        if equals and name in _PARTS:
            found[name] = value
    return found or ({"text": text} if text else {})


def shown(header: etree._Element, body: etree._Element) -> str:
    """One line for people."""
    words = [str(header.get("MessageCategory"))]
    response = body.find("Response")
    if response is not None:
        words += [str(response.get("Result")), str(response.get("ErrorCondition") or "")]
    words += [str(value) for name in ("EventToNotify",) if (value := body.get(name))]
    words += [
        f"{name}={header.get(name)}" for name in ("ServiceID", "DeviceID", "SaleID") if header.get(name)
    ]
    amounts = body.find(".//AmountsResp")
    if amounts is not None:
        words.append(f"AuthorizedAmount={amounts.get('AuthorizedAmount')}")
    words += [f"{name}={value!r}" for name, value in parts(body).items()]
    return " ".join(word for word in words if word)
