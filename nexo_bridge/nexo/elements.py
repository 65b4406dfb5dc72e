"""What every class of ``messages.py`` is made of: a frozen pydantic model that knows its place in the XML.

Fields have Python names and the wire name as alias; either constructs. A field is an attribute, a child element
or the text of the element, in schema order. Both protocol versions share one class: what exists in one version
only says so, and the codec refuses to write it in the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from nexo_bridge.redaction import Secret

Version = Literal["3.0", "3.1"]
VERSIONS: tuple[Version, Version] = ("3.1", "3.0")
"""The versions served, newest first."""


class Place(Enum):
    """Where a field stands in the XML; a field without a mark is a child element."""

    ATTRIBUTE = "attribute"
    ELEMENT = "element"
    TEXT = "text"
    TEXT_IN_30 = "text in 3.0, element in 3.1"


ATTRIBUTE = Place.ATTRIBUTE
TEXT = Place.TEXT
TEXT_IN_30 = Place.TEXT_IN_30


@dataclass(frozen=True, slots=True)
class Only:
    """Marks a field that one version has and the other does not."""

    version: Version


class Listed:
    """Marks an xs:list: one text, separated by blanks."""


ONLY_30 = Only("3.0")
ONLY_31 = Only("3.1")
LIST = Listed()


class Element(BaseModel):
    """Base of every element with structure. Frozen; equality is equality of all fields.

    A field left out takes the default of the schema, but is not written; set it to have it written. What
    was read and what was set are told apart from defaults by ``model_fields_set``.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        defer_build=True,  # 167 classes would cost a quarter of a second at import; most runs use a few
        protected_namespaces=(),
    )

    def without_secrets(self) -> Self:
        """This element without its secret fields, at any depth: for an echo that must not need the clear values.

        A required secret cannot be left out and stays.
        """
        changes: dict[str, Any] = {}
        for slot in slots(type(self)):
            value = getattr(self, slot.field)
            if slot.kind is Secret:
                if value is not None and not slot.required:
                    changes[slot.field] = None
            elif isinstance(value, Element):
                changes[slot.field] = value.without_secrets()
            elif slot.repeated and slot.classes:
                changes[slot.field] = tuple(item.without_secrets() for item in value)
        return self.model_copy(
            update={name: changes[name] for name in changes if name in self.model_fields_set}
        )


@dataclass(frozen=True, slots=True)
class Slot:
    """One field as the codec sees it.

    Attributes:
        field: name in Python.
        wire: name in XML.
        place: attribute, child element or text.
        kind: the Python type of one item; ``Element`` when it has structure.
        classes: by wire name, the classes a child may have; empty for plain values.
        repeated: a tuple of children.
        listed: each item is an xs:list.
        required: has no default.
        only: the one version that has it, None for both.
    """

    field: str
    wire: str
    place: Place
    kind: type[Any]
    classes: Mapping[str, type[Element]]
    repeated: bool
    listed: bool
    required: bool
    only: Version | None

    def placed(self, version: Version) -> Place:
        """Where it stands in ``version``."""
        if self.place is Place.TEXT_IN_30:
            return Place.TEXT if version == "3.0" else Place.ELEMENT
        return self.place


@cache
def slots(cls: type[Element]) -> tuple[Slot, ...]:
    """The fields of ``cls`` in schema order: attributes, then child elements, then text."""
    found = []
    for name, info in cls.model_fields.items():
        marks = info.metadata
        wire = str(info.alias)
        listed = LIST in marks
        kinds = [kind for kind in _options(info.annotation) if kind is not NoneType]
        repeated = get_origin(kinds[0]) is tuple
        if repeated:
            kinds = _options(get_args(kinds[0])[0])
        if listed:  # tuple[str, ...] is one list, tuple[tuple[str, ...], ...] are repeated lists
            repeated, kinds = get_origin(kinds[0]) is tuple, [str]
        structured = issubclass(kinds[0], Element)
        found.append(
            Slot(
                field=name,
                wire=wire,
                place=next((mark for mark in marks if isinstance(mark, Place)), Place.ELEMENT),
                kind=Element if structured else kinds[0],
                classes=_by_wire_name(wire, kinds) if structured else {},
                repeated=repeated,
                listed=listed,
                required=info.is_required(),
                only=next((mark.version for mark in marks if isinstance(mark, Only)), None),
            )
        )
    return tuple(found)


def _options(annotation: Any) -> list[Any]:
    return list(get_args(annotation)) if get_origin(annotation) in (Union, UnionType) else [annotation]


def _by_wire_name(wire: str, classes: list[type[Element]]) -> Mapping[str, type[Element]]:
    """A child of several possible classes is named on the wire as its class is; a single one as its field is."""
    return {wire: classes[0]} if len(classes) == 1 else {cls.__name__: cls for cls in classes}
