"""The schema read as data, once: what each element may hold, and which texts each type takes.

It knows the part of XSD 1.0 that our two schemas use. lxml decides whether a document is valid; this is for saying
why it is not, and a test holds the two together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from lxml import etree

_XS = "{http://www.w3.org/2001/XMLSchema}"

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_DATE_TIME = re.compile(
    r"-?(\d{4,18})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
    r"T(([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?|24:00:00(\.0+)?)"
    r"(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))?",
    re.ASCII,
)
_BASE64 = re.compile(r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?")
_LONG_MONTHS = (1, 3, 5, 7, 8, 10, 12)


class Fault(NamedTuple):
    """Why a text does not fit: the rule it breaks and what would fit."""

    rule: str
    expected: str


@dataclass(frozen=True, slots=True)
class Simple:
    """A type of text.

    Attributes:
        base: the XSD primitive.
        facets: by name, as in the schema.
        codes: the listed values, empty if any are allowed.
        private: ``prefix:Value`` is allowed too.
        listed: any number of such values between blanks.
    """

    base: str = "string"
    facets: Mapping[str, str] | None = None
    codes: tuple[str, ...] = ()
    private: str = ""
    listed: bool = False

    def fault(self, text: str) -> Fault | None:
        """Why ``text`` does not fit, None if it does."""
        if self.listed:
            return next((fault for item in text.split() if (fault := self._item_fault(item))), None)
        return self._item_fault(text)

    def _item_fault(self, text: str) -> Fault | None:
        if self.codes:
            if text in self.codes or (self.private and re.fullmatch(self.private, text)):
                return None
            return Fault("XSD-VALUE-CODE", self.describe())
        if self.base != "string":
            text = " ".join(text.split(None))
        if not _PRIMITIVES[self.base](text):
            return Fault("XSD-VALUE-TYPE", self.describe())
        for facet, limit in (self.facets or {}).items():
            if not _FACETS[facet].holds(self.base, text, limit):
                return Fault(_FACETS[facet].rule, self.describe())
        return None

    def describe(self) -> str:
        """What fits, in words."""
        if self.codes:
            words = f"one of {', '.join(repr(code) if ' ' in code else code for code in self.codes)}"
            return f"{'any number of, between blanks, ' if self.listed else ''}{words}" + (
                ", or prefix:Value" if self.private else ""
            )
        facets = self.facets or {}
        if "length" in facets:
            size = f"exactly {facets['length']} "
        elif "minLength" in facets:
            size = f"{facets['minLength']} to {facets['maxLength']} "
        else:
            size = ""
        if self.base == "string":
            return _PATTERNS.get(facets.get("pattern", ""), f"text matching {facets.get('pattern')}").format(
                size=size or "any number of "
            )
        words = _BASES[self.base].format(size=f", {size}bytes" if size else "")
        if "maxInclusive" in facets:
            return f"{words} from {facets['minInclusive']} to {facets['maxInclusive']}"
        return f"{words}, {facets['minInclusive']} or more" if "minInclusive" in facets else words


_BASES = {
    "decimal": "a decimal number",
    "integer": "a whole number",
    "boolean": "true, false, 1 or 0",
    "dateTime": "a date and time with zone as 2026-01-31T12:00:00Z",
    "base64Binary": "base64{size}",
}
_PATTERNS = {
    "": "{size}characters",
    "[0-9]*": "{size}digits",
    "[A-Z]{3,3}": "three capital letters",
    "[a-z]{2,2}": "two small letters",
}


def _is_date_time(text: str) -> bool:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day = match[1], int(match[2]), int(match[3])
    if year == "0000" or (len(year) > 4 and year[0] == "0"):
        return False
    if month == 2:
        tail = int(year[-4:])  # 400 divides 10000, so the last four digits decide
        leap = tail % 4 == 0 and (tail % 100 != 0 or tail % 400 == 0)
        return day <= (29 if leap else 28)
    return month in _LONG_MONTHS or day <= 30


def _octets(text: str) -> int:
    text = text.replace(" ", "")
    return len(text) * 3 // 4 - text.count("=")


def _length(base: str, text: str) -> int:
    return _octets(text) if base == "base64Binary" else len(text)


_PRIMITIVES: Mapping[str, Callable[[str], bool]] = {
    "string": lambda _: True,
    "decimal": lambda text: _DECIMAL.fullmatch(text) is not None,
    "integer": lambda text: _INTEGER.fullmatch(text) is not None,
    "boolean": lambda text: text in ("true", "false", "1", "0"),
    "dateTime": _is_date_time,
    "base64Binary": lambda text: _BASE64.fullmatch(text.replace(" ", "")) is not None,
}


class _Facet(NamedTuple):
    rule: str
    holds: Callable[[str, str, str], bool]  # of the primitive, the text and the limit


_FACETS = {
    "pattern": _Facet("XSD-VALUE-PATTERN", lambda _, text, limit: re.fullmatch(limit, text) is not None),
    "length": _Facet("XSD-VALUE-LENGTH", lambda base, text, limit: _length(base, text) == int(limit)),
    "minLength": _Facet("XSD-VALUE-LENGTH", lambda base, text, limit: _length(base, text) >= int(limit)),
    "maxLength": _Facet("XSD-VALUE-LENGTH", lambda base, text, limit: _length(base, text) <= int(limit)),
    "minInclusive": _Facet("XSD-VALUE-RANGE", lambda _, text, limit: Decimal(text) >= Decimal(limit)),
    "maxInclusive": _Facet("XSD-VALUE-RANGE", lambda _, text, limit: Decimal(text) <= Decimal(limit)),
}


class Attribute(NamedTuple):
    """An attribute: its type, whether it must be there, and what is meant where it is not."""

    type: Simple
    required: bool
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Particle:
    """One place in a sequence: an element, or a choice of elements; ``most`` None is no limit."""

    elements: Mapping[str, str]
    least: int
    most: int | None

    def describe(self) -> str:
        """The names that may stand here."""
        return " or ".join(self.elements)


@dataclass(frozen=True, slots=True)
class Structure:
    """A type with attributes and either child elements or text."""

    attributes: Mapping[str, Attribute]
    particles: tuple[Particle, ...]
    text: Simple | None

    def place(self, name: str) -> int | None:
        """Which particle an element belongs to, None if it does not belong here."""
        return next(
            (place for place, particle in enumerate(self.particles) if name in particle.elements), None
        )


class Grammar:
    """All types of one schema by name, and the types of its root elements; whole once made: threads may share it."""

    def __init__(self, xsd: bytes) -> None:
        schema = etree.fromstring(xsd)
        self._simple = {str(node.get("name")): node for node in schema.iterchildren(f"{_XS}simpleType")}
        self._read: dict[str, Simple] = {}
        for name in self._simple:
            self.simple(name)
        self.structures = {
            str(node.get("name")): self._structure(node) for node in schema.iterchildren(f"{_XS}complexType")
        }
        self.roots = {
            str(node.get("name")): str(node.get("type")) for node in schema.iterchildren(f"{_XS}element")
        }

    def simple(self, name: str) -> Simple:
        """The text type of that name."""
        if name not in self._read:
            self._read[name] = self._simple_type(self._simple[name])
        return self._read[name]

    def _simple_type(self, node: etree._Element) -> Simple:
        (content,) = node
        if content.tag == f"{_XS}list":
            item = self.simple(str(content.get("itemType")))
            return Simple(codes=item.codes, private=item.private, listed=True)
        if content.tag == f"{_XS}union":
            private = self.simple(str(content.get("memberTypes")))
            codes = self._simple_type(content[0]).codes
            return Simple(codes=codes, private=(private.facets or {})["pattern"])
        codes = tuple(str(one.get("value")) for one in content.iterchildren(f"{_XS}enumeration"))
        facets = {
            etree.QName(one).localname: str(one.get("value"))
            for one in content
            if one.tag != f"{_XS}enumeration"
        }
        return Simple(base=str(content.get("base")).removeprefix("xs:"), facets=facets, codes=codes)

    def _structure(self, node: etree._Element) -> Structure:
        attributes = {
            str(one.get("name")): Attribute(
                self.simple(str(one.get("type"))), one.get("use") == "required", one.get("default")
            )
            for one in node.iter(f"{_XS}attribute")
        }
        extension = node.find(f"{_XS}simpleContent/{_XS}extension")
        text = None if extension is None else self.simple(str(extension.get("base")))
        sequence = node.find(f"{_XS}sequence")
        particles = () if sequence is None else tuple(self._particle(one) for one in sequence)
        return Structure(attributes, particles, text)

    @staticmethod
    def _particle(node: etree._Element) -> Particle:
        elements = [node] if node.tag == f"{_XS}element" else list(node)
        least = min(int(str(one.get("minOccurs", "1"))) for one in (node, *elements))
        most = str(node.get("maxOccurs", "1"))
        return Particle(
            elements={str(one.get("name")): str(one.get("type")) for one in elements},
            least=least,
            most=None if most == "unbounded" else int(most),
        )


@lru_cache(maxsize=4)
def grammar_of(xsd: bytes) -> Grammar:
    """The grammar in that schema, read once: that takes longer than to compile the schema."""
    return Grammar(xsd)
