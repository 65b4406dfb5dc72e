"""How single slips of a POS are put right: one function for each, on one element and what the schema says of it.

Which of them are applied, and in what order, is said in ``tolerance``. Each changes only what the schema refuses, so a
valid message stays as it is, and each leaves alone what could be read in two ways or could move other money.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache, partial
from typing import NamedTuple

from lxml import etree

from nexo_bridge.nexo.grammar import Grammar, Simple, Structure

MOST_LOOKS = 200
"""Unknown names that are looked at in one document, for each costs time; what is not looked at stays refused."""

_HEADER = "MessageHeader"
_REFERENCES = frozenset(
    "MessageReference OriginalPOITransaction CardAcquisitionReference POITransactionID SaleTransactionID".split()
)
"""What says which other request or payment is meant: nothing is ever left out there."""
_OF_EVERYTHING = frozenset({_HEADER, "LoginRequest"})
"""What holds for a whole message or session: a switch there may say that nothing is meant to be real."""
_LIKE = 0.8
_SWITCHES = frozenset({"true", "false", "yes", "no", "on", "off"})

_SPELLINGS = {
    "Require": "Required",
    "Underline": "Underlined",
    "CompletedDeferred": "CompletedDeffered",
    "id-ukpt-wrap": "id-ukpt-wrap ",
}
"""Spelling in use → the code as the schema has it, its own slips included."""
_RENAMED = (
    ("ManufacturerID", "ProviderIdentification"),
    ("MerchantName", "CommonName"),
    ("MerchantAddress", "Address"),
    ("MerchantCountry", "CountryCode"),
    ("RegistrationID", "RegisteredIdentifier"),
)
"""Attributes of SaleSoftware and SponsoredMerchant: their name in 3.0, and in 3.1."""


class Words:
    """What names nexo has, where an amount can stand, and which codes stand near one; in small letters."""

    def __init__(self, grammars: Iterable[Grammar]) -> None:
        self.names: set[str] = set()
        self.codes: set[str] = set()
        self._money: dict[Grammar, frozenset[str]] = {}
        for grammar in grammars:
            for structure in grammar.structures.values():
                self.names.update(name.lower() for name in structure.attributes)
                self.names.update(name.lower() for one in structure.particles for name in one.elements)
            self._money[grammar] = _with_amounts(grammar)
            for name in self._money[grammar]:
                for simple in _types(grammar.structures[name], grammar):
                    self.codes.update(code.lower() for code in simple.codes)

    def has_amounts(self, grammar: Grammar, type_name: str) -> bool:
        """Whether an amount, or any other decimal number, can stand at or below an element of that type."""
        return type_name in self._money[grammar]


def _types(structure: Structure, grammar: Grammar) -> Iterator[Simple]:
    """Every type of text that stands in an element itself or is a child's whole content."""
    yield from (attribute.type for attribute in structure.attributes.values())
    if structure.text is not None:
        yield structure.text
    for particle in structure.particles:
        yield from (
            grammar.simple(one) for one in particle.elements.values() if one not in grammar.structures
        )


def _with_amounts(grammar: Grammar) -> frozenset[str]:
    found = {
        name
        for name, structure in grammar.structures.items()
        if any(simple.base == "decimal" for simple in _types(structure, grammar))
    }
    while more := {
        name
        for name, structure in grammar.structures.items()
        if name not in found
        and any(not found.isdisjoint(particle.elements.values()) for particle in structure.particles)
    }:
        found |= more
    return frozenset(found)


@dataclass(slots=True)
class Setting:
    """What all spots of one document share.

    Attributes:
        zone: as it is written behind a time that has none.
        looks: unknown names that may still be looked at.
    """

    grammar: Grammar
    words: Words
    zone: str
    looks: int = MOST_LOOKS


class Spot(NamedTuple):
    """An element, and what the schema says of it: a structure, or None for a type of text."""

    element: etree._Element
    type_name: str
    structure: Structure | None
    setting: Setting


def spots(element: etree._Element, type_name: str, setting: Setting) -> Iterator[Spot]:
    """``element`` and every known element below it; each may be changed before the next is asked for."""
    todo = [(element, type_name)]
    while todo:
        element, type_name = todo.pop()
        structure = setting.grammar.structures.get(type_name)
        yield Spot(element, type_name, structure, setting)
        if structure is not None:
            known = [(child, structure.place(str(child.tag))) for child in element]
            todo += [
                (child, structure.particles[place].elements[str(child.tag)])
                for child, place in reversed(known)
                if place is not None
            ]


# -- names -----------------------------------------------------------------------------------------------------------


def answer_root(spot: Spot) -> int:
    """An answer inside SaleToPOIRequest; header and body both say that it is one."""
    root, structure = spot.element, spot.structure
    header = root.find(_HEADER)
    if root.tag != "SaleToPOIRequest" or header is None or header.get("MessageType") != "Response":
        return 0
    answers = spot.setting.grammar.structures[spot.setting.grammar.roots["SaleToPOIResponse"]]
    bodies = [str(child.tag) for child in root if child.tag != _HEADER]
    if structure is None or not any(
        answers.place(body) is not None and structure.place(body) is None for body in bodies
    ):
        return 0
    root.tag = "SaleToPOIResponse"
    return 1


def name_capitals(spot: Spot) -> int:
    """Names that differ from the right ones in capitals alone. Not in the header, by which a POS is known."""
    element, structure = spot.element, spot.structure
    if structure is None or element.tag == _HEADER:
        return 0
    right = {name.lower(): name for name in structure.attributes}
    changed = _rename(
        element, {str(name): right.get(str(name).lower()) for name in element.attrib}, structure
    )
    children = {name.lower(): name for particle in structure.particles for name in particle.elements}
    for child in element:
        name = children.get(str(child.tag).lower())
        if name is not None and structure.place(str(child.tag)) is None:
            child.tag = name
            changed += 1
    return changed


def other_version_name(spot: Spot) -> int:
    """Attributes that the other protocol version calls by another name."""
    if spot.structure is None:
        return 0
    pairs = {old: new for pair in _RENAMED for old, new in (pair, pair[::-1])}
    return _rename(
        spot.element, {str(name): pairs.get(str(name)) for name in spot.element.attrib}, spot.structure
    )


def _rename(element: etree._Element, names: Mapping[str, str | None], structure: Structure) -> int:
    changed = 0
    for wrong, right in names.items():
        if right is None or wrong in structure.attributes or right not in structure.attributes:
            continue
        if right in element.attrib:
            continue  # two of one name would be two readings
        element.set(right, element.attrib.pop(wrong))
        changed += 1
    return changed


# -- what is unknown ---------------------------------------------------------------------------------------------------


def unknown_element(spot: Spot) -> int:
    """An element that nexo does not have, with all in it, where no amount can stand beside it."""
    structure, setting = spot.structure, spot.setting
    if structure is None or spot.element.tag in _REFERENCES or _is_delicate(spot):
        return 0
    known = tuple(name for particle in structure.particles for name in particle.elements)
    changed = 0
    for child in list(spot.element):
        name = str(child.tag)
        if structure.place(name) is None and _is_foreign(name, known, setting):
            _take_out(child)
            changed += 1
    return changed


def unknown_attribute(spot: Spot) -> int:
    """An attribute that nexo does not have. In a delicate place it must be an identifier, or a text without meaning."""
    structure, setting = spot.structure, spot.setting
    if spot.element.tag in _REFERENCES:
        return 0
    known = tuple(structure.attributes) if structure is not None else ()
    careful = _is_delicate(spot)
    changed = 0
    for raw, value in list(spot.element.attrib.items()):
        name = str(raw)
        if name in known or not _is_foreign(name, known, setting):
            continue
        if careful and not name.lower().endswith("id") and _may_decide(str(value), setting.words):
            continue
        del spot.element.attrib[name]
        changed += 1
    return changed


def _is_delicate(spot: Spot) -> bool:
    """Whether something unknown there could say how much is to be paid, or whether it is."""
    setting = spot.setting
    if spot.structure is None:
        return setting.grammar.simple(spot.type_name).base == "decimal"
    return spot.element.tag in _OF_EVERYTHING or setting.words.has_amounts(setting.grammar, spot.type_name)


def _is_foreign(name: str, known: tuple[str, ...], setting: Setting) -> bool:
    """Whether nobody can have meant one of nexo's own names by it."""
    if setting.looks == 0:
        return False
    setting.looks -= 1
    plain = etree.QName(name).localname.lower()
    return plain not in setting.words.names and not any(_alike(plain[:64], one.lower()) for one in known)


def _alike(name: str, known: str) -> bool:
    return name in known or known in name or SequenceMatcher(None, known, name).ratio() >= _LIKE


def _may_decide(value: str, words: Words) -> bool:
    """Whether it could be an amount, a switch or a code."""
    plain = value.strip().lower()
    return any(sign.isdigit() for sign in plain) or plain in _SWITCHES or plain in words.codes


def _take_out(child: etree._Element) -> None:
    """Remove an element and leave alone what follows it, for text between elements stays a fault."""
    tail, before, parent = child.tail, child.getprevious(), child.getparent()
    assert parent is not None, "the root is no child"
    parent.remove(child)
    if tail and tail.strip():
        if before is None:
            parent.text = (parent.text or "") + tail
        else:
            before.tail = (before.tail or "") + tail


# -- order -------------------------------------------------------------------------------------------------------------


def element_order(spot: Spot) -> int:
    """Elements in another order than the schema's; those of one name keep theirs."""
    structure = spot.structure
    if structure is None:
        return 0
    places = [structure.place(str(child.tag)) for child in spot.element]
    known = [place for place in places if place is not None]
    if len(known) < len(places) or known == sorted(known):
        return 0
    children = list(spot.element)
    spot.element[:] = [children[at] for at in sorted(range(len(known)), key=known.__getitem__)]
    return 1


# -- values ------------------------------------------------------------------------------------------------------------


def empty_attribute(spot: Spot) -> int:
    """An attribute without a value that may be left out, and then says nothing else."""
    if spot.structure is None or spot.element.tag == _HEADER or spot.element.tag in _REFERENCES:
        return 0
    changed = 0
    for name, attribute in spot.structure.attributes.items():
        removable = not attribute.required and attribute.default is None and attribute.type.base != "decimal"
        if removable and spot.element.get(name) == "" and attribute.type.fault("") is not None:
            del spot.element.attrib[name]
            changed += 1
    return changed


def value_blanks(spot: Spot) -> int:
    """Blanks around a value that is a code or has a form. Never around free text, which is repeated as it came."""

    def correct(simple: Simple, text: str) -> str | None:
        has_form = simple.base == "string" and (simple.codes or "pattern" in (simple.facets or {}))
        return text.strip() if has_form else None

    return _put_right(spot, correct, at_once=False)


def code_capitals(spot: Spot) -> int:
    """Codes, and true and false, that differ from the right ones in capitals alone."""

    def correct(simple: Simple, text: str) -> str | None:
        if simple.base == "boolean":
            return text.lower()
        return _each(simple, text, lambda code: _folded(simple.codes).get(code.lower(), code))

    return _put_right(spot, correct)


def code_spelling(spot: Spot) -> int:
    """Codes in a spelling that printed examples and other descriptions of the protocol have."""

    def correct(simple: Simple, text: str) -> str | None:
        return _each(simple, text, lambda code: _SPELLINGS.get(code, code))

    return _put_right(spot, correct)


def missing_zone(spot: Spot) -> int:
    """A time without its zone. The text stays and the zone follows it, so the answer repeats what was sent."""

    def correct(simple: Simple, text: str) -> str | None:
        return text.strip() + spot.setting.zone if simple.base == "dateTime" else None

    return _put_right(spot, correct)


def _put_right(spot: Spot, correct: Callable[[Simple, str], str | None], *, at_once: bool = True) -> int:
    """Replace each value that the schema refuses and takes once it is corrected, or (not ``at_once``) may take then."""
    changed = 0
    for simple, text, put in list(_values(spot)):
        if simple.fault(text) is None:
            continue
        better = correct(simple, text)
        if better is not None and better != text and not (at_once and simple.fault(better)):
            put(better)
            changed += 1
    return changed


def _values(spot: Spot) -> Iterator[tuple[Simple, str, Callable[[str], None]]]:
    """Each value of an element: its type, its text, and how to replace it."""
    element, structure = spot.element, spot.structure
    if structure is None:
        simple: Simple | None = spot.setting.grammar.simple(spot.type_name)
    else:
        simple = structure.text
        for name, value in element.attrib.items():
            attribute = structure.attributes.get(str(name))
            if attribute is not None:
                yield attribute.type, str(value), partial(element.set, str(name))
    if simple is not None and not len(element):
        yield simple, element.text or "", partial(setattr, element, "text")


def _each(simple: Simple, text: str, correct: Callable[[str], str]) -> str | None:
    if not simple.codes:
        return None
    return " ".join(correct(code) for code in text.split()) if simple.listed else correct(text)


@cache
def _folded(codes: tuple[str, ...]) -> Mapping[str, str]:
    return {code.lower(): code for code in codes}
