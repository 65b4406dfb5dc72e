"""Validation against the two schemas."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from lxml import etree

from nexo_bridge.errors import Violation
from nexo_bridge.nexo.document import Document, line_of
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.explain import RULES, explain
from nexo_bridge.nexo.grammar import Grammar


class Schemas:
    """Both schemas, compiled. Not for use by two threads at once: lxml keeps its log on the object. One per thread.

    Args:
        xsd_bytes: the text of each schema by version, as ``runtime.data.read_data`` gives it.
    """

    def __init__(self, xsd_bytes: Mapping[str, bytes]) -> None:
        self._schemas = {
            version: etree.XMLSchema(etree.fromstring(xsd_bytes[version])) for version in VERSIONS
        }
        self._grammars = {version: Grammar(xsd_bytes[version]) for version in VERSIONS}

    def validate(self, document: Document, version: Version) -> tuple[Violation, ...]:
        """Every fault of ``document`` by the schema of ``version``; empty if it is valid."""
        schema = self._schemas[version]
        if schema.validate(document.root):
            return ()
        other: Version = "3.0" if version == "3.1" else "3.1"
        return explain(document.root, self._grammars[version], self._grammars[other]) or (
            _unexplained(document),
        )


def _unexplained(document: Document) -> Violation:
    """For what lxml refuses and our walk finds nothing wrong with: no such document is known; it stays refused."""
    return Violation(
        rule="XSD-OTHER",
        line=line_of(document.root),
        path=f"/{document.root.tag}",
        expected="a document valid by the schema",
        found="another fault",
        fix=RULES["XSD-OTHER"].fix,
    )
