"""Why a document is not valid: every fault with its place, what was expected, and what to write instead.

lxml judges, and its log stops at the first fault among the children of an element; so the document is walked once
more against the same schema. A value is shown only where the schema knows it and it is not secret: an unknown
attribute may well be a misspelt card number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import NamedTuple

from lxml import etree

from nexo_bridge.errors import Violation
from nexo_bridge.nexo.document import line_of
from nexo_bridge.nexo.elements import Element, Place, slots
from nexo_bridge.nexo.grammar import Grammar, Simple, Structure
from nexo_bridge.nexo.messages import BODIES, ContentInformation
from nexo_bridge.redaction import Secret, mask_free_text, printable

MAX_VIOLATIONS = 200
"""Faults listed of one document; nobody reads more, and a hostile one would have a fault in each of its tags."""


class SchemaRule(NamedTuple):
    """A kind of fault the schema finds: a sentence, a fragment that has it, what to do."""

    says: str
    wrong: str
    fix: str


RULES: Mapping[str, SchemaRule] = {
    "XSD-ATTRIBUTE-MISSING": SchemaRule(
        "A required attribute is missing", '<AmountsReq RequestedAmount="1.00"/>', "add the attribute"
    ),
    "XSD-ATTRIBUTE-UNKNOWN": SchemaRule(
        "The element has no such attribute", '<SaleItem ItemId="1" …/>', "correct its name, or leave it out"
    ),
    "XSD-ELEMENT-MISSING": SchemaRule(
        "A required element is missing", "<DisplayRequest/>", "add the element at its place"
    ),
    "XSD-ELEMENT-UNKNOWN": SchemaRule(
        "No such element may stand here", "<LoginRequest><Foo/>…", "correct its name, or leave it out"
    ),
    "XSD-ELEMENT-ORDER": SchemaRule(
        "The elements have an order, and this one comes too late",
        "<PaymentRequest><PaymentTransaction>…<SaleData>…",
        "move the element up",
    ),
    "XSD-ELEMENT-REPEATED": SchemaRule(
        "There are more of an element than allowed, or two of a choice",
        "<AbortReason>a</AbortReason><AbortReason>b</AbortReason>",
        "keep as many as allowed",
    ),
    "XSD-TEXT": SchemaRule(
        "Text between elements, or in an element that has none",
        "<Response>Success</Response>",
        "remove the text",
    ),
    "XSD-VALUE-CODE": SchemaRule(
        "The value is not in the list", 'Result="SUCCESS"', "write a listed value; capitals count"
    ),
    "XSD-VALUE-LENGTH": SchemaRule("The value is too short or too long", 'ServiceID=""', "keep the length"),
    "XSD-VALUE-PATTERN": SchemaRule(
        "The value has the wrong form", 'Currency="eur"', "write the value in the form wanted"
    ),
    "XSD-VALUE-RANGE": SchemaRule(
        "The number is too small or too large", 'RequestedAmount="-1"', "write a number within the range"
    ),
    "XSD-VALUE-TYPE": SchemaRule(
        "The value is not of its type", 'RequestedAmount="12,50"', "write a value of that type"
    ),
    "XSD-OTHER": SchemaRule(
        "The schema refuses the document for another reason", "", "compare with the schema"
    ),
}
"""Every rule id a schema fault can have; the list is closed and ids are stable."""


def explain(root: etree._Element, grammar: Grammar, other: Grammar) -> tuple[Violation, ...]:
    """The faults of the document under ``root`` by ``grammar``, in document order, at most ``MAX_VIOLATIONS``.

    ``other`` is the grammar of the other protocol version: what only it knows is named so.
    """
    return tuple(islice(_walk(root, grammar, other), MAX_VIOLATIONS))


def _walk(root: etree._Element, grammar: Grammar, other: Grammar) -> Iterator[Violation]:
    todo = [(root, grammar.roots[str(root.tag)])]
    while todo:
        element, type_name = todo.pop()
        at = _At(element)
        structure = grammar.structures.get(type_name)
        if structure is None:
            yield from _plain(at, grammar.simple(type_name))
            continue
        newer = other.structures.get(type_name)
        yield from _attributes(at, structure, newer)
        yield from _text(at, structure)
        yield from _children(at, structure, newer)
        known = [(child, structure.place(str(child.tag))) for child in element]
        todo += [
            (child, structure.particles[place].elements[str(child.tag)])
            for child, place in reversed(known)
            if place is not None
        ]


class _At(NamedTuple):
    element: etree._Element

    def violation(self, rule: str, expected: str, found: str, fix: str = "", step: str = "") -> Violation:
        return Violation(
            rule=rule,
            line=line_of(self.element),
            path=self.element.getroottree().getpath(self.element) + step,  # costly, so for faults alone
            expected=expected,
            found=found,
            fix=fix or RULES[rule].fix,
        )


def _plain(at: _At, simple: Simple) -> Iterator[Violation]:
    for name in at.element.attrib:
        yield at.violation(
            "XSD-ATTRIBUTE-UNKNOWN", "no attributes", f"the attribute {_name(name)}", step=f"/@{_name(name)}"
        )
    for child in at.element:
        yield at.violation("XSD-ELEMENT-UNKNOWN", "text alone", f"the element {_name(child.tag)}")
    fault = None if len(at.element) else simple.fault(at.element.text or "")
    if fault is not None:
        found = _shown(at.element.tag, at.element.text or "")
        yield at.violation(fault.rule, fault.expected, found, _hint(at.element.text or "", simple))


def _attributes(at: _At, structure: Structure, other: Structure | None) -> Iterator[Violation]:
    for raw, value in at.element.attrib.items():
        name = str(raw)
        known = structure.attributes.get(name)
        if known is None:
            in_other = other is not None and name in other.attributes
            fix = _OTHER_VERSION if in_other else near(name, structure.attributes)
            expected = f"an attribute of {at.element.tag}" + (
                f": {', '.join(structure.attributes)}" if structure.attributes else "; it has none"
            )
            yield at.violation(
                "XSD-ATTRIBUTE-UNKNOWN", expected, f"the attribute {_name(name)}", fix, f"/@{_name(name)}"
            )
            continue
        fault = known.type.fault(str(value))
        if fault is not None:
            found = _shown(name, str(value))
            yield at.violation(fault.rule, fault.expected, found, _hint(str(value), known.type), f"/@{name}")
    for name, attribute in structure.attributes.items():
        if attribute.required and name not in at.element.attrib:
            expected = f"the attribute {name}: {attribute.type.describe()}"
            yield at.violation("XSD-ATTRIBUTE-MISSING", expected, "nothing", f'add {name}="…"', f"/@{name}")


def _text(at: _At, structure: Structure) -> Iterator[Violation]:
    if structure.text is not None:
        fault = structure.text.fault(at.element.text or "")
        if fault is not None and not len(at.element):
            yield at.violation(fault.rule, fault.expected, _shown(at.element.tag, at.element.text or ""))
        return
    texts = [at.element.text, *(child.tail for child in at.element)]
    empty = not structure.particles  # not even blanks may stand in an element without content
    if any(text and (empty or text.strip(" \t\r\n")) for text in texts):
        expected = "nothing inside" if empty else "child elements alone"
        yield at.violation("XSD-TEXT", f"{expected} in {at.element.tag}", "text")


def _children(at: _At, structure: Structure, other: Structure | None) -> Iterator[Violation]:
    reached = 0
    counts = [0] * len(structure.particles)
    for child in at.element:
        name = str(child.tag)
        here = _At(child)
        place = structure.place(name)
        if place is None:
            allowed = {one: one for particle in structure.particles for one in particle.elements}
            in_other = other is not None and other.place(name) is not None
            expected = f"an element of {at.element.tag}" + (
                f": {', '.join(allowed)}" if allowed else "; it has none"
            )
            fix = _OTHER_VERSION if in_other else near(name, allowed)
            yield here.violation("XSD-ELEMENT-UNKNOWN", expected, f"the element {_name(name)}", fix)
            continue
        particle = structure.particles[place]
        counts[place] += 1
        if place < reached:
            after = structure.particles[reached].describe()
            yield here.violation(
                "XSD-ELEMENT-ORDER",
                f"{name} before {after}",
                f"{name} after it",
                f"move {name} before {after}",
            )
        elif particle.most is not None and counts[place] == particle.most + 1:
            allowed_words = "one" if particle.most == 1 else f"at most {particle.most}"
            yield here.violation(
                "XSD-ELEMENT-REPEATED", f"{allowed_words} of {particle.describe()}", f"another {name}"
            )
        reached = max(reached, place)
    for particle, count in zip(structure.particles, counts, strict=True):
        if count < particle.least:
            expected = f"the element {particle.describe()}"
            yield at.violation(
                "XSD-ELEMENT-MISSING", expected, "nothing", f"add {particle.describe()} at its place"
            )


_OTHER_VERSION = "this exists in the other protocol version only; send that version, or leave it out"


def near(name: str, known: Iterable[str]) -> str:
    """``fix`` for a wrong ``name``, if one of ``known`` is near; empty otherwise."""
    by_lower = {one.lower(): one for one in known}
    close = get_close_matches(name[:64].lower(), by_lower, n=1, cutoff=0.8)
    return f"write {by_lower[close[0]]}" if close else ""


def _hint(text: str, simple: Simple) -> str:
    return near(text.strip(), simple.codes) if simple.codes and not simple.listed else ""


def _name(name: object) -> str:
    return printable(str(name), 60)


def _shown(name: object, value: str) -> str:
    return "a secret value" if str(name) in SECRET_NAMES else repr(printable(mask_free_text(value), 60))


def _secret_names() -> frozenset[str]:
    """Wire names under which a secret may stand, as attribute, as element or as text of an element."""
    names: set[str] = set()
    seen: set[type[Element]] = set()
    todo: list[type[Element]] = [*BODIES.values(), ContentInformation]
    while todo:
        cls = todo.pop()
        if cls in seen:
            continue
        seen.add(cls)
        for slot in slots(cls):
            if slot.kind is Secret:
                names.add(cls.__name__ if slot.place is Place.TEXT else slot.wire)
            todo += slot.classes.values()
    return frozenset(names)


SECRET_NAMES = _secret_names()
"""Names whose values are never shown. By name alone, so a few harmless ones are hidden with them."""
