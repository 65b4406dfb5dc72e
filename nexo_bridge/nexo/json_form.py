"""The JSON form of the same messages: JSON text to the document its XML would be, and our own XML to JSON.

Everything behind this module is XML: schema, rules, journal, stored answers. A member has the name of the attribute,
child element or text it stands for; lists and repeated elements are arrays. Two places differ, as in the ASN.1 module
all JSON dialects follow: the body inside a RepeatedMessageResponse stands in ``RepeatedResponseMessageBody``, and
recipients of a key stand in ``Recipient``, each under the name of its kind. Source: nexo ASN.1 module 3.1 and what
six products publish; the names of text members are those of ``messages``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

from lxml import etree

from nexo_bridge.errors import NotXml, Violation
from nexo_bridge.money import Amount
from nexo_bridge.nexo import document as xml
from nexo_bridge.nexo.document import ROOTS, Document
from nexo_bridge.nexo.elements import VERSIONS, Element, Place, Slot, Version, slots
from nexo_bridge.nexo.explain import MAX_VIOLATIONS, near
from nexo_bridge.nexo.form import Form
from nexo_bridge.nexo.json_text import Number, dump, load
from nexo_bridge.nexo.messages import (
    BODIES,
    REQUESTS,
    RESPONSES,
    ContentInformation,
    MessageHeader,
    RepeatedMessageResponse,
)
from nexo_bridge.redaction import printable

_PARTS: Mapping[str, type[Element]] = {
    "MessageHeader": MessageHeader,
    **BODIES,
    "SecurityTrailer": ContentInformation,
}
"""What an envelope may hold, in the order of the schema."""

REPEATED_BODY = "RepeatedResponseMessageBody"
_HINTS = 20
"""Unknown members for which the right name is looked for: that takes a while for each, and nobody reads more."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SIMPLE_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_NOUNS = re.compile(r"\b(an|the) (?:attribute|element)\b|\b(?:attribute|element)(s?)\b")
_ADD = re.compile(r'add (\w+)="…"')


class JsonRule(NamedTuple):
    """A kind of fault only the JSON form can have: a sentence, a fragment that has it, what to do."""

    says: str
    wrong: str
    fix: str


RULES: Mapping[str, JsonRule] = {
    "JSON-MEMBER-UNKNOWN": JsonRule(
        "The object has no such member",
        '{"AmountsReq": {"Curency": "EUR", …',
        "correct its name, or leave it out",
    ),
    "JSON-MEMBER-MISSING": JsonRule(
        "A required member is missing", '{"OutputText": [{"Color": "Red"}]', "add the member"
    ),
    "JSON-TYPE": JsonRule(
        "The value is of another JSON type than wanted",
        '{"RequestedAmount": "12.50"}',
        "write a value of that type",
    ),
    "JSON-CHARACTER": JsonRule(
        "The text holds a character that no nexo message can carry", '"\\u0000"', "leave the character out"
    ),
    "JSON-LIST-ITEM": JsonRule(
        "An item of a list of codes is empty or holds a blank",
        '{"EntryMode": ["ICC Contactless"]}',
        "write each code as an item of its own",
    ),
}
"""Every rule id a fault of the JSON form can have; the list is closed and ids are stable."""


class JsonDocument(Document):
    """A message in JSON as the document its XML would be. Made by ``parse``."""

    __slots__ = ("_faults", "_members", "_places", "_version")

    def __init__(self, members: Mapping[str, Any], version: Version, *, strangers: bool = False) -> None:
        self._members = members
        self._version = version
        maker = _Maker(version, strangers=strangers)
        super().__init__(maker.document(members))
        self._faults = tuple(maker.faults)
        self._places = maker.places

    def in_version(self, version: Version) -> JsonDocument:
        """The document as it has to be read as ``version``: a value may be text in one and an element in the other."""
        return self if version == self._version else JsonDocument(self._members, version)

    def copy(self) -> JsonDocument:
        """See ``Document``. Unknown members stand in it, where the schema finds them: see ``_Maker``."""
        return JsonDocument(self._members, self._version, strangers=True)

    @property
    def faults(self) -> tuple[Violation, ...]:
        """What is wrong with the JSON itself, at most ``MAX_VIOLATIONS``."""
        return self._faults

    def located(self, violation: Violation) -> Violation:
        """``violation`` with a JSONPath, and in the words of JSON."""
        return replace(
            violation,
            path=self.place(violation.path),
            expected=_members_of(violation.expected),
            fix=_members_of(violation.fix),
        )

    def place(self, path: str) -> str:
        """The JSONPath of what stands at an XPath; the XPath itself if nothing does."""
        element = self.element(path)
        placed = None if element is None else self._places.get(element)
        if placed is None:
            return path
        attribute = path.partition("/@")[2]
        return f"{placed.path}.{attribute}" if attribute else placed.path_of_text


def parse(data: bytes) -> JsonDocument:
    """Parse ``data``, or say why not. Safe on any bytes, in any thread; bounded by the limits of ``json_text``.

    Faults of single members do not refuse it here, so that its header can be read: see ``JsonDocument.faults``.

    Raises:
        NotXml: the text says what to do; it never quotes the content.
    """
    return JsonDocument(load(data), VERSIONS[0])


def in_form(data: bytes, form: Form) -> bytes:
    """A message of ours in another form; the same bytes give the same bytes.

    Args:
        data: valid XML, as ``codec.encode`` writes it in any version.
        form: wanted.
    """
    if form == "xml":
        return data
    root = xml.parse(data).root
    content = {str(child.tag): _written(child, _PARTS[str(child.tag)]) for child in root}
    return dump({str(root.tag): content} if form == "json" else content)


# ------------------------------------------------------------------------------------------------ names of members


@cache
def _members(cls: type[Element]) -> Mapping[str, Slot]:
    """The slots of ``cls`` by the name of their member."""
    return {slot.wire if len(slot.classes) < 2 else "Recipient": slot for slot in slots(cls)}


def _wrapped(cls: type[Element], name: str) -> bool:
    """Whether the member stands in the object of the repeated body."""
    return cls is RepeatedMessageResponse and name != "MessageHeader"


def _members_of(words: str) -> str:
    """``words`` about XML for one who writes JSON."""
    words = _NOUNS.sub(
        lambda noun: f"{'the' if noun[1] == 'the' else 'a'} member" if noun[1] else f"member{noun[2]}", words
    )
    return _ADD.sub(r"add the member \1", words)


# ------------------------------------------------------------------------------------------------ JSON to XML


def _root_of_bare(members: Mapping[str, Any]) -> str:
    """The envelope a message without one would have: by its body, or by what its header says."""
    header = members.get("MessageHeader")
    said = header.get("MessageType") if isinstance(header, dict) else None
    responds = bool(RESPONSES.keys() & members.keys())
    if not responds and not REQUESTS.keys() & members.keys():
        responds = said == "Response"
    return "SaleToPOIResponse" if responds else "SaleToPOIRequest"


class _Placed(NamedTuple):
    """Where an element stands in the JSON, and where its own text does."""

    path: str
    path_of_text: str


class _Maker:
    """Makes the XML of a JSON object, in the order of the schema. What does not fit is told and left out.

    Args:
        version: protocol version.
        strangers: an unknown member of an element becomes an attribute, or an empty element if it is an object or an
            array, and is not told, so that whoever looks at the XML may decide. Not one that differs from a known name
            in capitals alone: what it holds would be lost. A body in the wrong envelope is no stranger: it stays there.
    """

    def __init__(self, version: Version, *, strangers: bool = False) -> None:
        self._version = version
        self._strangers = strangers
        self.faults: list[Violation] = []
        self.places: dict[etree._Element, _Placed] = {}

    def document(self, members: Mapping[str, Any]) -> etree._Element:
        if _PARTS.keys() & members.keys():
            return self._envelope(_root_of_bare(members), members, "$")
        if len(members) != 1 or not ROOTS.keys() & members.keys():
            raise NotXml(
                "not a message: the object has to hold SaleToPOIRequest or SaleToPOIResponse and nothing else, or "
                "MessageHeader and body themselves"
            )
        ((name, content),) = members.items()
        if not isinstance(content, dict):
            raise NotXml(f"not a message: {name} has to be an object")
        return self._envelope(name, content, f"$.{name}")

    def _envelope(self, name: str, members: Mapping[str, Any], path: str) -> etree._Element:
        root = etree.Element(name)
        self.places[root] = _Placed(path, path)
        bodies = BODIES if self._strangers else REQUESTS if ROOTS[name] == "request" else RESPONSES
        parts = {part: cls for part, cls in _PARTS.items() if part in bodies or part not in BODIES}
        self._unknown(members, parts, name, path)
        for part, cls in parts.items():
            if members.get(part) is not None:
                self._element(root, part, cls, members[part], f"{path}.{part}")
        return root

    def _element(self, parent: etree._Element, name: str, cls: type[Element], value: Any, path: str) -> None:
        node = etree.SubElement(parent, name)
        known = _members(cls)
        text = next(
            (member for member, slot in known.items() if slot.placed(self._version) is Place.TEXT), ""
        )
        self.places[node] = _Placed(path, f"{path}.{text}" if text else path)
        if not isinstance(value, dict):
            self._type_fault("an object", value, path)
            return
        for member, slot, item, at in self._found(cls, value, path, node):
            self._field(node, slot, item, at)
            if member == text:
                text = ""
        if text and known[text].required:
            self._fault("JSON-MEMBER-MISSING", f"{path}.{text}", "a text", "nothing")

    def _found(
        self, cls: type[Element], value: Mapping[str, Any], path: str, node: etree._Element
    ) -> Iterator[tuple[str, Slot, Any, str]]:
        """The members that are there, in the order of the schema, with their paths."""
        known = _members(cls)
        inner: Mapping[str, Any] = {}
        names = [name for name in known if not _wrapped(cls, name)]
        if len(names) < len(known):
            inside = value.get(REPEATED_BODY)
            if isinstance(inside, dict):
                inner = inside
                bodies = [name for name in known if _wrapped(cls, name)]
                self._unknown(inner, bodies, REPEATED_BODY, f"{path}.{REPEATED_BODY}")
            elif inside is not None:
                self._type_fault("an object", inside, f"{path}.{REPEATED_BODY}")
            names.append(REPEATED_BODY)
        self._unknown(value, names, cls.__name__, path, node)
        for name, slot in known.items():
            wrapped = _wrapped(cls, name)
            item = (inner if wrapped else value).get(name)
            if item is not None:  # null is what some writers write for a member they leave out
                yield name, slot, item, f"{path}.{REPEATED_BODY}.{name}" if wrapped else f"{path}.{name}"

    def _field(self, node: etree._Element, slot: Slot, value: Any, path: str) -> None:
        if not slot.repeated:
            self._item(node, slot, value, path)
        elif not isinstance(value, list) or (slot.listed and value and not isinstance(value[0], list)):
            self._item(node, slot, value, path)  # one alone needs no array around it
        else:
            for number, item in enumerate(value):
                self._item(node, slot, item, f"{path}[{number}]")

    def _item(self, node: etree._Element, slot: Slot, value: Any, path: str) -> None:
        if len(slot.classes) > 1:
            self._one_of(node, slot, value, path)
        elif slot.classes:
            ((name, cls),) = slot.classes.items()
            self._element(node, name, cls, value, path)
        else:
            text = self._list(value, path) if slot.listed else self._text(slot.kind, value, path)
            if text is None:
                return
            place = slot.placed(self._version)
            if place is Place.ATTRIBUTE:
                node.set(slot.wire, text)
            elif place is Place.TEXT:
                node.text = text
            else:
                child = etree.SubElement(node, slot.wire)
                child.text = text
                self.places[child] = _Placed(path, path)

    def _one_of(self, node: etree._Element, slot: Slot, value: Any, path: str) -> None:
        named = list(value.items()) if isinstance(value, dict) else []
        if len(named) != 1 or named[0][0] not in slot.classes:
            self._fault(
                "JSON-TYPE", path, f"an object with one member: {' or '.join(slot.classes)}", "another value"
            )
            return
        ((name, item),) = named
        self._element(node, name, slot.classes[name], item, f"{path}.{name}")

    def _list(self, value: Any, path: str) -> str | None:
        items = value if isinstance(value, list) else [value]
        texts = [self._text(str, item, path) for item in items]
        if any(text is not None and text.split() != [text] for text in texts):
            self._fault("JSON-LIST-ITEM", path, "codes without blanks", "a code that is empty or has a blank")
            return None
        return None if None in texts else " ".join(text for text in texts if text is not None)

    def _text(self, kind: type[Any], value: Any, path: str) -> str | None:
        """``value`` as XML writes it; None if it cannot."""
        wanted = _WANTED.get(kind, "a string")
        if _type_of(value) != wanted:
            self._type_fault(wanted, value, path)
            return str(value) if isinstance(value, str) and not _NOT_XML.search(value) else None
        if wanted == "true or false":
            return "true" if value else "false"
        if _NOT_XML.search(value):
            self._fault("JSON-CHARACTER", path, "text that XML can carry", "a control character or the like")
            return None
        return str(value)

    def _unknown(
        self,
        members: Mapping[str, Any],
        known: Any,
        owner: str,
        path: str,
        node: etree._Element | None = None,
    ) -> None:
        for name in members:
            if len(self.faults) >= MAX_VIOLATIONS:
                return
            if name not in known and not (node is not None and self._keeps(node, name, members[name], known)):
                shown = printable(name, 60)
                self._fault(
                    "JSON-MEMBER-UNKNOWN",
                    f"{path}.{name}" if _SIMPLE_NAME.fullmatch(name) else path,
                    f"a member of {owner}" + (f": {', '.join(known)}" if known else "; it has none"),
                    f"the member {shown}",
                    near(name, known) if len(self.faults) < _HINTS else "",
                )

    def _keeps(self, node: etree._Element, name: str, value: Any, known: Any) -> bool:
        """Keep an unknown member in ``node``, if that is wanted and XML can."""
        if not self._strangers or not _SIMPLE_NAME.fullmatch(name):
            return False
        if name.lower() in {one.lower() for one in known}:
            return False
        if value is None or isinstance(value, dict | list):
            child = etree.SubElement(node, name)
            at = f"{self.places[node].path}.{name}"
            self.places[child] = _Placed(at, at)
            return True
        if isinstance(value, str) and _NOT_XML.search(value):
            return False
        node.set(name, str(value))
        return True

    def _type_fault(self, wanted: str, value: Any, path: str) -> None:
        self._fault("JSON-TYPE", path, wanted, _type_of(value))

    def _fault(self, rule: str, path: str, expected: str, found: str, fix: str = "") -> None:
        if len(self.faults) < MAX_VIOLATIONS:
            self.faults.append(Violation(rule, 0, path, expected, found, fix or RULES[rule].fix))


_WANTED: Mapping[type[Any], str] = {bool: "true or false", int: "a number", Amount: "a number"}


def _type_of(value: Any) -> str:
    """The JSON type of ``value``, in words; never the value."""
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Number):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if value is None:
        return "null"
    return "an array" if isinstance(value, list) else "an object"


# ------------------------------------------------------------------------------------------------ XML to JSON


def _written(node: etree._Element, cls: type[Element]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for name, slot in _members(cls).items():
        value = _value(node, slot)
        if value is not None:
            (inner if _wrapped(cls, name) else members)[name] = value
    return {**members, REPEATED_BODY: inner} if inner else members


def _value(node: etree._Element, slot: Slot) -> Any:
    """What the member holds; None leaves it out."""
    if slot.place is Place.ATTRIBUTE:
        text = node.get(slot.wire)
        return None if text is None else _plain(slot, str(text))
    if slot.place is Place.TEXT:
        return _plain(slot, node.text or "")
    names = slot.classes or (slot.wire,)
    items = [_child(child, slot) for child in node if str(child.tag) in names]
    if slot.place is Place.TEXT_IN_30 and node.text and not len(node):
        return node.text
    if not items:
        return None
    if not slot.repeated:
        return items[0]
    # one list of codes is written flat, as everybody reads it
    return items[0] if slot.listed and len(items) == 1 and items[0] else items


def _child(child: etree._Element, slot: Slot) -> Any:
    if not slot.classes:
        return _plain(slot, child.text or "")
    name = str(child.tag)
    members = _written(child, slot.classes[name])
    return members if len(slot.classes) == 1 else {name: members}


def _plain(slot: Slot, text: str) -> Any:
    if slot.listed:
        return text.split()
    if slot.kind is bool:
        return text.strip() in ("true", "1")
    return Number.of(text) if slot.kind in (int, Amount) else text
