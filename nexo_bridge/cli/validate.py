"""``nexo-bridge validate FILE…|- [--json] [--tolerant]``: what is wrong with nexo messages, and what to write instead.

Exit code 0: every message is valid, or with ``--tolerant`` would be taken in tolerant mode; 1: one is not; 2: usage, or
a file cannot be read. Values of secret fields are never shown.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nexo_bridge.cli.output import show
from nexo_bridge.errors import NotXml, SchemaViolations, Violation
from nexo_bridge.nexo import codec, rules
from nexo_bridge.nexo.elements import VERSIONS, Version
from nexo_bridge.nexo.form import form_of
from nexo_bridge.nexo.framing import LARGEST_CAP, Frame, Framer
from nexo_bridge.nexo.schema import Schemas
from nexo_bridge.nexo.tolerance import TOLERANT, told
from nexo_bridge.redaction import Secret, printable
from nexo_bridge.runtime.data import read_data

_STARTS_OF_TEXT = b"<{[+ \t\r\n\xef\xfe\xff"
"""First bytes of a text in some encoding that cannot begin the length of any message: it would be far too long."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found in one message.

    Attributes:
        file: the name as typed; the second message of a file has its number added.
        version: protocol version it was judged by, None if it could not be read at all.
        found: faults, then warnings.
        document: None if it could not be read.
        framed: it stood behind its length, as on a TCP connection.
        tolerated: what tolerant mode puts right to take it; None if it would not, empty if there is nothing to do.
    """

    file: str
    version: Version | None
    found: tuple[Violation, ...]
    document: codec.Document | None
    framed: bool
    tolerated: Mapping[str, int] | None = None

    @property
    def faults(self) -> tuple[Violation, ...]:
        """What makes it invalid."""
        return tuple(one for one in self.found if not one.warning)

    @property
    def warnings(self) -> tuple[Violation, ...]:
        """What is only worth a look."""
        return tuple(one for one in self.found if one.warning)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="an XML, JSON or framed message; - is standard input"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON array")
    parser.add_argument(
        "--tolerant", action="store_true", help="say also what tolerant mode (docs/tolerance.md) makes of it"
    )


def main(arguments: argparse.Namespace) -> int:
    """Judge every file; see the module for the exit code."""
    schemas = Schemas({version: _xsd(version) for version in VERSIONS})
    verdicts: list[Verdict] = []
    unreadable = False
    for name in arguments.files:
        try:
            data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        except OSError as fault:
            print(f"nexo-bridge validate: {printable(name)}: {fault.strerror}", file=sys.stderr)
            unreadable = True
            continue
        verdicts += judge(name, data, schemas)
    tolerant = arguments.tolerant
    if arguments.json:
        text = json.dumps([_as_json(one, tolerant=tolerant) for one in verdicts], indent=2)
    else:
        text = _report(verdicts, tolerant=tolerant)
    show(text)
    if unreadable:
        return 2
    return 1 if any(_is_refused(verdict, tolerant=tolerant) for verdict in verdicts) else 0


def _is_refused(verdict: Verdict, *, tolerant: bool) -> bool:
    return verdict.tolerated is None if tolerant else bool(verdict.faults)


def judge(name: str, data: bytes, schemas: Schemas) -> Iterator[Verdict]:
    """The verdict on each message of ``data``: one for XML or JSON, one for each frame if it begins with a length."""
    if not data or data[0] in _STARTS_OF_TEXT:
        yield _judge_message(name, data, schemas, framed=False)
        return
    framer = Framer(LARGEST_CAP)
    framer.receive_data(data)
    framer.receive_end()
    number = 0
    while (event := framer.next_event()) is not None:
        number += 1
        shown = name if number == 1 else f"{name} (message {number})"
        if isinstance(event, Frame):
            yield _judge_message(shown, event.data, schemas, framed=event.framed)
        else:
            text = f"this looks like {event.protocol}" if event.protocol else event.refusal.text
            yield Verdict(shown, None, (_unreadable("FRAME", text),), None, event.framed)


def _judge_message(name: str, data: bytes, schemas: Schemas, *, framed: bool) -> Verdict:
    try:
        document = codec.parse(data, form := form_of(data))
    except NotXml as fault:
        rule = "NOT-XML" if form == "xml" else "NOT-JSON"
        return Verdict(name, None, (_unreadable(rule, fault.text),), None, framed)
    envelope = document.envelope
    declared = envelope.header.get("ProtocolVersion") if envelope else None
    candidates = [version for version in VERSIONS if version == declared] or VERSIONS
    judged = [(version, _violations(document, version, schemas)) for version in candidates]
    version, found = min(judged, key=lambda one: sum(map(_by_schema, one[1])))
    tolerated = _tolerated(document, candidates, schemas)
    return Verdict(name, version, found, document.in_version(version), framed, tolerated)


def _tolerated(
    document: codec.Document, candidates: Sequence[Version], schemas: Schemas
) -> Mapping[str, int] | None:
    """What tolerant mode would put right in it; None if it would not take it."""
    try:
        return codec.decode_any(document, candidates, schemas, _seal, TOLERANT).tolerated or {}
    except SchemaViolations:
        return None


def _violations(document: codec.Document, version: Version, schemas: Schemas) -> tuple[Violation, ...]:
    try:
        _, found = codec.read(document, version, schemas, _seal)
    except SchemaViolations as refusal:
        found = refusal.violations
        if document.envelope is not None:
            known = {one.path for one in found}
            header = map(document.located, rules.header_violations(document.envelope, document.line))
            found += tuple(one for one in header if one.path not in known)
    return tuple(sorted(found, key=lambda one: (one.warning, one.line)))


def _by_schema(violation: Violation) -> bool:
    return violation.rule.startswith(("XSD-", "JSON-"))


def _seal(clear: str) -> Secret:
    return Secret.seal(clear, b"never stored")


def _unreadable(rule: str, text: str) -> Violation:
    line = re.search(r"\bline (\d+)", text)
    return Violation(
        rule=rule,
        line=int(line[1]) if line else 0,
        path="",
        expected="one well-formed nexo message in UTF-8, bare or behind its length of four bytes",
        found=printable(text, 400),
        fix="correct what is named there and validate again; the rest is looked at then",
    )


def _xsd(version: Version) -> bytes:
    return read_data(f"xsd/nexo-retailer-{version}.xsd")


def _as_json(verdict: Verdict, *, tolerant: bool) -> dict[str, Any]:
    more = {"tolerant": {"valid": verdict.tolerated is not None, "put_right": verdict.tolerated or {}}}
    return {
        "file": verdict.file,
        "version": verdict.version,
        "valid": not verdict.faults,
        "faults": [_violation_as_json(one) for one in verdict.faults],
        "warnings": [_violation_as_json(one) for one in verdict.warnings],
        **(more if tolerant else {}),
    }


def _violation_as_json(violation: Violation) -> dict[str, Any]:
    fields = asdict(violation)
    return {name: fields[name] for name in ("rule", "line", "path", "expected", "found", "fix")}


# ------------------------------------------------------------------------------------------------ for people


_NOT_YET = (
    "What no schema can say of the body, amounts and what belongs together, is looked at once this is mended."
)


def _report(verdicts: list[Verdict], *, tolerant: bool) -> str:
    width = max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))
    lines: list[str] = []
    for verdict in verdicts:
        lines.append(_headline(verdict))
        for violation in verdict.found:
            lines += _paragraph(violation, width)
        if any(map(_by_schema, verdict.faults)):
            lines += ["", *textwrap.wrap(_NOT_YET, width, initial_indent="  ", subsequent_indent="  ")]
        lines += _second_opinion(verdict, width)
        if tolerant and verdict.faults:
            lines += ["", f"  {_in_tolerant_mode(verdict)}"]
        if verdict.found:
            lines.append("")
    if len(verdicts) > 1:
        valid = sum(not _is_refused(verdict, tolerant=tolerant) for verdict in verdicts)
        mode = " in tolerant mode" if tolerant else ""
        lines.append(f"{valid} of {len(verdicts)} messages are valid{mode}")
    return "\n".join(lines)


def _in_tolerant_mode(verdict: Verdict) -> str:
    if verdict.tolerated is None:
        return "not valid in tolerant mode either"
    return f"valid in tolerant mode: {told(verdict.tolerated)}"


def _headline(verdict: Verdict) -> str:
    words = ["valid" if not verdict.faults else "not valid"]
    if verdict.version:
        words.append(f"by version {verdict.version}")
    if verdict.framed:
        words.append("(framed)")
    counts = [
        f"{len(found)} {what}{'s' if len(found) > 1 else ''}"
        for found, what in ((verdict.faults, "fault"), (verdict.warnings, "warning"))
        if found
    ]
    return f"{printable(verdict.file)}: {' '.join(words)}{': ' if counts else ''}{', '.join(counts)}"


def _paragraph(violation: Violation, width: int) -> list[str]:
    place = f"line {violation.line}" if violation.line else "line ?"
    kind = " (warning)" if violation.warning else ""
    lines = ["", f"  {place:<9} {violation.rule}{kind}"]
    if violation.path:
        lines += _wrapped("at", violation.path, width)
    lines += _wrapped("expected", violation.expected, width)
    lines += _wrapped("found", violation.found, width)
    lines += _wrapped("fix", violation.fix, width)
    return lines


def _second_opinion(verdict: Verdict, width: int) -> list[str]:
    """What xmlschema says; nothing for a message without faults by the schema."""
    if not (verdict.version and verdict.document and any(_by_schema(one) for one in verdict.faults)):
        return []
    from nexo_bridge.nexo import second_opinion  # slow to load, and only wanted here

    lines = ["", "  In the words of xmlschema:"]
    for opinion in second_opinion.opinions(_xsd(verdict.version), verdict.document.root):
        lines += _wrapped(f"line {opinion.line}", f"{opinion.path}: {opinion.text}", width)
    return lines


def _wrapped(label: str, text: str, width: int) -> list[str]:
    return textwrap.wrap(
        printable(text, 1000),
        width,
        initial_indent=f"    {label:<10}",
        subsequent_indent=" " * 14,
        break_on_hyphens=False,
        break_long_words=False,
    )
