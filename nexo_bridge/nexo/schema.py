"""Validation against the two schemas."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import islice

from lxml import etree

from nexo_bridge.errors import Violation
from nexo_bridge.nexo.document import Document, line_of
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.explain import RULES, explain
from nexo_bridge.nexo.grammar import grammar_of
from nexo_bridge.nexo.slips import Words
from nexo_bridge.nexo.tolerance import Tolerance, Tolerated, put_right


class Schemas:
    """Both schemas, compiled. Not for use by two threads at once: lxml keeps its log on the object. One per thread.

    Args:
        xsd_bytes: the text of each schema by version, as ``runtime.data.read_data`` gives it.
    """

    def __init__(self, xsd_bytes: Mapping[str, bytes]) -> None:
        self._schemas = {
            version: etree.XMLSchema(etree.fromstring(xsd_bytes[version])) for version in VERSIONS
        }
        self._grammars = {version: grammar_of(xsd_bytes[version]) for version in VERSIONS}

    def validate(self, document: Document, version: Version) -> tuple[Violation, ...]:
        """Every fault of ``document`` by the schema of ``version``; empty if it is valid."""
        if _is_large(document) and (faults := self._explain(document, version)):
            return faults
        if self._schemas[version].validate(document.root):
            return ()
        return self._explain(document, version) or (_unexplained(document),)

    def put_right(self, document: Document, version: Version, tolerance: Tolerance) -> Tolerated:
        """``document`` with what is forgiven put right as ``version`` wants it. See ``tolerance``."""
        return put_right(document.in_version(version), tolerance, self._grammars[version], self._words)

    @cached_property
    def _words(self) -> Words:
        return Words(self._grammars.values())

    def _explain(self, document: Document, version: Version) -> tuple[Violation, ...]:
        other: Version = "3.0" if version == "3.1" else "3.1"
        return explain(document.root, self._grammars[version], self._grammars[other])


_LARGE = 100


def _is_large(document: Document) -> bool:
    """Whether faults must be looked for before lxml does: its log takes time quadratic in the number of siblings.

    A document of 1 MB with a fault in each tag kept lxml busy for 44 seconds; our walk stops at its limit.
    """
    return next(islice(document.root.iter(), _LARGE, None), None) is not None


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
