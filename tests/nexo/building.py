"""Documents made from ``facts.json``: for every structure a valid document that holds it, by the facts alone."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from typing import Any

from lxml import etree

from tests.nexo.generator import FACTS, ROOTS, Fact, all_in, code_of, code_values, in_version, occurs

STRUCTURES: dict[str, Fact] = FACTS["structures"]


def structures(version: str) -> list[str]:
    """The structures a message of ``version`` can reach."""
    reached, todo = set(), list(ROOTS)
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += [fact["structure"] for fact in flat_elements(name, version) if "structure" in fact]
    return sorted(reached)


def attributes(name: str, version: str) -> list[Fact]:
    return all_in(STRUCTURES[name].get("attributes", []), version)


def text(name: str, version: str) -> Fact | None:
    fact = STRUCTURES[name].get("text")
    return None if fact is None else in_version(fact, version)


def elements(name: str, version: str) -> list[Fact]:
    """The sequence of a structure; a choice is one member of it, with only the members of that version."""
    return [
        {**fact, "choice": all_in(fact["choice"], version)} if "choice" in fact else fact
        for fact in all_in(STRUCTURES[name].get("elements", []), version)
    ]


def flat_elements(name: str, version: str) -> Iterator[Fact]:
    for fact in elements(name, version):
        yield from fact.get("choice", [fact])


def good(value: str, version: str = "3.1") -> str:
    """A text of a type."""
    code = code_of(value)
    if code is not None:
        values = code_values(code[0], version)
        return " ".join(values[:2]) if code[1] else values[0]
    fact = FACTS["values"][value]
    size = fact.get("length", fact.get("minLength"))
    if value in _GOOD:
        return _GOOD[value]
    if fact["base"] == "integer":
        return str(fact.get("minInclusive", 7))
    if fact["base"] == "base64Binary":
        return {None: "AAEC", 1: "AA==", 2: "AAE=", 5: "AAECAwQ="}[size]
    return "1" * (4 if size is None else size)


_GOOD = {
    "flag": "true",
    "decimal": "-1.50",
    "amount": "10.0",
    "moment": "2026-01-31T24:00:00+01:00",
    "day": "2026-01-31",
    "language": "de",
    "currency": "EUR",
    "country": "DEU",
}


def bad(value: str) -> list[tuple[str, str]]:
    """Texts a type must refuse, each with the rule it breaks."""
    code = code_of(value)
    if code is not None:
        closed = FACTS["codes"][code[0]].get("closed", False)
        texts = ["nonsense", "x:small", " "] if not code[1] else ["nonsense", "x:small"]
        return [(text, "XSD-VALUE-CODE") for text in texts + (["acme:Foo"] if closed else [])]
    fact = FACTS["values"][value]
    found = [(text, "XSD-VALUE-TYPE") for text in _BAD[fact["base"]]]
    if "pattern" in fact and fact["base"] != "base64Binary":
        sized = "x" * fact.get("length", fact.get("minLength", 3))
        found.append(("2026-01-31T12:00:00" if value == "moment" else sized, "XSD-VALUE-PATTERN"))
    least, most = fact.get("length", fact.get("minLength")), fact.get("length", fact.get("maxLength"))
    if least is not None:
        found.append((_sized(fact["base"], least - 1), "XSD-VALUE-LENGTH"))
        found.append((_sized(fact["base"], most + 1), "XSD-VALUE-LENGTH"))
    if "minInclusive" in fact:
        found.append(
            ("-0.1" if fact["base"] == "decimal" else str(int(fact["minInclusive"]) - 1), "XSD-VALUE-RANGE")
        )
    if "maxInclusive" in fact:
        above = "100000000" if fact["base"] == "decimal" else str(int(fact["maxInclusive"]) + 1)
        found.append((above, "XSD-VALUE-RANGE"))
    return found


_BAD = {
    "string": [],
    "boolean": ["yes", "", "TRUE"],
    "integer": ["1.5", "", "0x1"],
    "decimal": ["1,5", "", "1e3", "NaN"],
    "dateTime": ["2026-02-30T12:00:00Z", "2026-01-31", "24:00:01Z", "2026-01-31T25:00:00Z"],
    "base64Binary": ["A", "AA=A", "A-A=", "AAEC.AAEC."],
}


def _sized(base: str, size: int) -> str:
    if base != "base64Binary":
        return "1" * size
    return base64.b64encode(bytes(size)).decode()


def build(tag: str, name: str, version: str, *, full: bool = False, pick: int = 0) -> etree._Element:
    """An element of a structure: the least that is valid, or (``full``) with everything it may have once.

    What is inside is as small as can be. ``pick`` chooses the member of a choice.
    """
    node = etree.Element(tag)
    for fact in attributes(name, version):
        if full or fact.get("required"):
            node.set(fact["name"], good(fact["value"], version))
    content = text(name, version)
    if content is not None:
        node.text = good(content["value"], version)
        return node
    for fact in elements(name, version):
        if full or occurs(fact)[0] > 0:
            member = fact["choice"][pick % len(fact["choice"])] if "choice" in fact else fact
            node.append(child(member, version))
    return node


def child(fact: Fact, version: str) -> etree._Element:
    """The least element a fact allows."""
    if "structure" in fact:
        return build(fact["name"], fact["structure"], version)
    node = etree.Element(fact["name"])
    node.text = good(fact["value"], version)
    return node


@cache
def path_to(name: str, version: str) -> tuple[Fact, ...]:
    """The facts of the elements that lead from a root to a structure, by the shortest way."""
    paths: dict[str, tuple[Fact, ...]] = dict.fromkeys(ROOTS, ())
    todo = list(ROOTS)
    while name not in paths:
        at = todo.pop(0)
        for fact in flat_elements(at, version):
            if "structure" in fact and fact["structure"] not in paths:
                paths[fact["structure"]] = (*paths[at], {**fact, "of": at})
                todo.append(fact["structure"])
    return paths[name]


def containing(name: str, version: str, *, pick: int = 0) -> tuple[etree._Element, etree._Element]:
    """A valid document that holds the structure in full: its root, and the element of the structure."""
    steps = path_to(name, version)
    target = build(steps[-1]["name"] if steps else name, name, version, full=True, pick=pick)
    node = target
    for place in range(len(steps) - 1, -1, -1):
        above = steps[place]["of"]
        node = _with_child(steps[place - 1]["name"] if place else above, above, version, node)
    return node, target


def _with_child(tag: str, name: str, version: str, inside: etree._Element) -> etree._Element:
    """The least element of a structure that has this child at its place."""
    node = etree.Element(tag)
    for fact in attributes(name, version):
        if fact.get("required"):
            node.set(fact["name"], good(fact["value"], version))
    for fact in elements(name, version):
        members: list[dict[str, Any]] = fact.get("choice", [fact])
        if inside.tag in [member["name"] for member in members]:
            node.append(inside)
        elif occurs(fact)[0] > 0:
            node.append(child(members[0], version))
    return node
