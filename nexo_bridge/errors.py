"""Everything that can be refused or can fail, in one small tree.

BridgeError
├─ Refusal              the POS's message; carries the nexo ErrorCondition and a code NB-nnn, becomes an answer
│   ├─ FrameTooLarge · NotXml · SchemaViolations · UnknownCategory
│   └─ RepeatMismatch · TerminalBusy · NotLoggedIn · NotYours · Retained · TooOld · UnknownTerminal
├─ JournalFailure       stop accepting money work; health goes red; try again when the cause goes
└─ ConfigurationError   before start: exit code 78, one line that names the setting and the fix

Exception text never leaves the process towards a POS or the platform: an answer is made from the fields of a
``Refusal``, which are written for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Retry = Literal["yes", "no", "check"]
"""What the POS may do next: send again, do not, or ask TransactionStatus first."""


class BridgeError(Exception):
    """Base of the tree; never raised itself."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing wrong with one message.

    Attributes:
        rule: stable id, e.g. ``XSD-ATTRIBUTE-MISSING`` or ``NX-012``.
        line: 1-based line in the document as received, 0 if unknown.
        path: where, as an XPath from the root.
        expected: what would have been right, in words.
        found: what stands there, shortened and printable; never the value of a secret field.
        fix: what to write instead.
        warning: published examples break this rule too; it never refuses a message.
    """

    rule: str
    line: int
    path: str
    expected: str
    found: str
    fix: str
    warning: bool = False


class Refusal(BridgeError):
    """A message we answer with ``Failure``.

    Attributes:
        condition: nexo ErrorCondition.
        code: ``NB-nnn``, stable, documented in ``docs/errors.md``.
        retry: what the POS may do next.
        text: one sentence fit for a cashier's screen.
        at: XPath of the cause, empty when there is none.
    """

    condition: ClassVar[str] = "NotAllowed"
    code: ClassVar[str] = "NB-100"
    retry: ClassVar[Retry] = "no"

    def __init__(self, text: str, *, at: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.at = at


class FrameTooLarge(Refusal):
    """The announced or received message exceeds the cap."""

    condition = "MessageFormat"
    code = "NB-101"


class NotXml(Refusal):
    """Not a well-formed, plain UTF-8 XML document without DOCTYPE, or not nexo at all."""

    condition = "MessageFormat"
    code = "NB-102"


class SchemaViolations(Refusal):
    """The document breaks the schema or a semantic rule; every violation is listed."""

    condition = "MessageFormat"
    code = "NB-103"

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        first = violations[0]
        where = f" in line {first.line}" if first.line else ""
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(
            f"The message is wrong{where}: found {first.found}, expected {first.expected}{more}",
            at=first.path,
        )
        self.violations = violations


class UnknownCategory(Refusal):
    """A category this bridge does not serve."""

    condition = "UnavailableService"
    code = "NB-104"


class RepeatMismatch(Refusal):
    """The same ServiceID with another body (rule R3)."""

    condition = "MessageFormat"
    code = "NB-201"


class TerminalBusy(Refusal):
    """Another exchange holds the terminal or the sale (rule R3)."""

    condition = "Busy"
    code = "NB-202"
    retry = "yes"


class NotLoggedIn(Refusal):
    """No session for this SaleID and POIID."""

    condition = "LoggedOut"
    code = "NB-203"
    retry = "yes"


class NotYours(Refusal):
    """The header names a Sale System or a terminal that its sender has not proved to be, or may not speak for."""

    condition = "NotAllowed"
    code = "NB-105"


class Retained(Refusal):
    """A request that a broker had kept: it may be of any age, and would come again at every new subscription (R13)."""

    condition = "NotAllowed"
    code = "NB-106"
    retry = "yes"


class TooOld(Refusal):
    """A request that waited longer than its listener allows: nobody stands at the terminal any more (R13)."""

    condition = "NotAllowed"
    code = "NB-107"
    retry = "yes"


class UnknownTerminal(Refusal):
    """The POIID is not configured here."""

    condition = "UnavailableDevice"
    code = "NB-204"


class JournalFailure(BridgeError):
    """The journal could not be written or read; money work stops until it can."""


class ConfigurationError(BridgeError):
    """A setting is wrong. The text is one line that names the setting and the fix; the process exits with 78."""
