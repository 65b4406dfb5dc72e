"""A second judge of documents: xmlschema, whose sentences differ from ours. For ``nexo-bridge validate`` alone.

The daemon never imports this module: xmlschema is slow, and one judge is enough where money waits.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import NamedTuple

import xmlschema
from lxml import etree

from nexo_bridge.nexo.explain import SECRET_NAMES
from nexo_bridge.redaction import mask_free_text, printable


class Opinion(NamedTuple):
    """One fault in the words of xmlschema.

    Attributes:
        line: 1-based, 0 if unknown.
        path: XPath of the element.
        text: one line, no secrets.
    """

    line: int
    path: str
    text: str


def opinions(xsd: bytes, root: etree._Element) -> tuple[Opinion, ...]:
    """What xmlschema finds wrong with the document under ``root``; empty if it has no objection.

    Args:
        xsd: text of the schema.
        root: of a document as ``document.parse`` made it; it is not changed.
    """
    schema = xmlschema.XMLSchema10(xsd.decode(), allow="none")
    found = []
    for error in schema.iter_errors(_without_secrets(root)):
        line = error.sourceline or 0
        text = printable(mask_free_text(" ".join((error.reason or "").split())), 400)
        found.append(Opinion(int(line), printable(error.path or "/", 200), text))
    return tuple(found)


def _without_secrets(root: etree._Element) -> etree._Element:
    """A copy whose secrets keep their length and kind of characters, so that they are judged as before."""
    copy = deepcopy(root)
    for element in copy.iter():
        for name, value in element.attrib.items():
            if name in SECRET_NAMES:
                element.set(name, _shape(str(value)))
        if element.tag in SECRET_NAMES:
            element.text = _shape(element.text or "")
    return copy


def _shape(text: str) -> str:
    plain = re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "0", text))
    return re.sub(r"0(=+\s*)$", r"A\1", plain)  # the last character of base64 may not be any
