"""Tolerant mode (rule R14): named transformations of what a POS sends, before the schema judges it.

The schema stays exact, and so does all that we send. A POS that cannot be corrected gets its slips put right on the
way in, each by a name that the configuration chooses and the journal counts. ``docs/tolerance.md`` is this table.

What may become a transformation: it changes nothing that is valid; there is one thing alone the POS can have meant; no
other money moves, for no amount is touched; and who speaks to whom about which request (SaleID, POIID, ServiceID,
DeviceID) stays as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from nexo_bridge.nexo import slips
from nexo_bridge.nexo.document import Document
from nexo_bridge.nexo.grammar import Grammar


@dataclass(frozen=True, slots=True)
class Transformation:
    """One way of putting a slip right.

    Attributes:
        id: stable; settings, journal and log have it.
        says: what is taken, in one sentence.
        before: an example as it comes in.
        after: the same as it is read.
        change: does it to one element and says how often.
    """

    id: str
    says: str
    before: str
    after: str
    change: Callable[[slips.Spot], int]


TABLE: tuple[Transformation, ...] = (
    Transformation(
        "answer-root",
        "An answer to a device request stands in SaleToPOIRequest, while header and body say that it is an answer",
        '<SaleToPOIRequest><MessageHeader MessageType="Response" MessageCategory="Input"/><InputResponse/>'
        "</SaleToPOIRequest>",
        '<SaleToPOIResponse><MessageHeader MessageType="Response" MessageCategory="Input"/><InputResponse/>'
        "</SaleToPOIResponse>",
        slips.answer_root,
    ),
    Transformation(
        "name-capitals",
        "The name of an element or attribute differs from the right one in capitals alone (not in MessageHeader)",
        '<SaleItem ItemId="1" productCode="4711" ItemAmount="2.50"/>',
        '<SaleItem ItemAmount="2.50" ItemID="1" ProductCode="4711"/>',
        slips.name_capitals,
    ),
    Transformation(
        "other-version-name",
        "An attribute of SaleSoftware or SponsoredMerchant has its name of the other protocol version",
        '<SaleSoftware ManufacturerID="Tills Ltd" ApplicationName="Till" SoftwareVersion="2.1"/>',
        '<SaleSoftware ApplicationName="Till" SoftwareVersion="2.1" ProviderIdentification="Tills Ltd"/>',
        slips.other_version_name,
    ),
    Transformation(
        "unknown-element",
        "An element that nexo does not have is left out; not where an amount can stand at or below the one it is in, "
        "not in MessageHeader and LoginRequest, not inside a reference to a request or payment",
        '<LogoutRequest MaintenanceAllowed="true"><Closing/></LogoutRequest>',
        '<LogoutRequest MaintenanceAllowed="true"/>',
        slips.unknown_element,
    ),
    Transformation(
        "unknown-attribute",
        "An attribute that nexo does not have is left out, but never inside a reference to a request or payment; where "
        "an amount can stand at or below its element, and in MessageHeader and LoginRequest, only if its name ends in "
        "id, or its value has no digit and is no switch and no code of nexo",
        '<AmountsReq Currency="EUR" RequestedAmount="10.00" RcncltnId="17"/>',
        '<AmountsReq Currency="EUR" RequestedAmount="10.00"/>',
        slips.unknown_attribute,
    ),
    Transformation(
        "element-order",
        "The elements stand in another order than the schema's; those of one name keep theirs",
        '<InputUpdate><OutputContent OutputFormat="Text"/><MessageReference DeviceID="9"/></InputUpdate>',
        '<InputUpdate><MessageReference DeviceID="9"/><OutputContent OutputFormat="Text"/></InputUpdate>',
        slips.element_order,
    ),
    Transformation(
        "value-blanks",
        "There are blanks around a code, or around a value with a fixed form; around free text they stay",
        '<AmountsReq Currency="EUR " RequestedAmount="10.00"/>',
        '<AmountsReq Currency="EUR" RequestedAmount="10.00"/>',
        slips.value_blanks,
    ),
    Transformation(
        "empty-attribute",
        "An optional attribute without a value is left out; not an amount, not one with a default, and never in "
        "MessageHeader or inside a reference to a request or payment",
        '<TransactionConditions CustomerLanguage="" ForceOnlineFlag="true"/>',
        '<TransactionConditions ForceOnlineFlag="true"/>',
        slips.empty_attribute,
    ),
    Transformation(
        "code-capitals",
        "A code, or true or false, differs from the right one in capitals alone",
        '<Response Result="SUCCESS"/>',
        '<Response Result="Success"/>',
        slips.code_capitals,
    ),
    Transformation(
        "code-spelling",
        "A code is spelt as in printed examples: Require for Required, Underline for Underlined, CompletedDeferred for "
        "CompletedDeffered, id-ukpt-wrap without the blank at its end",
        '<TransactionConditions LoyaltyHandling="Require"/>',
        '<TransactionConditions LoyaltyHandling="Required"/>',
        slips.code_spelling,
    ),
    Transformation(
        "missing-zone",
        "A time has no zone: the zone of the setting is written behind it, and so it is repeated in the answer",
        '<SaleTransactionID TransactionID="4711" TimeStamp="2026-03-01T10:15:30"/>',
        '<SaleTransactionID TransactionID="4711" TimeStamp="2026-03-01T10:15:30Z"/>',
        slips.missing_zone,
    ),
)
"""Every transformation, in the order in which they are applied: names before places before values."""

NAMES = tuple(one.id for one in TABLE)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is forgiven one POS.

    Attributes:
        names: transformations that may be applied, of ``NAMES``; none is strict mode.
        zone: of times without one, as in xs:dateTime: ``Z`` or ``+01:00``.
    """

    names: frozenset[str] = frozenset()
    zone: str = "Z"


STRICT = Tolerance()
TOLERANT = Tolerance(frozenset(NAMES))


class Tolerated(NamedTuple):
    """A document with its slips put right; ``counts`` tells how often what was done, empty if nothing was."""

    document: Document
    counts: Mapping[str, int]


def put_right(document: Document, tolerance: Tolerance, grammar: Grammar, words: slips.Words) -> Tolerated:
    """A copy of ``document`` to which the transformations of ``tolerance`` were applied; it may still be invalid.

    The time it takes grows with the document and with nothing else.

    Args:
        document: in the version of ``grammar``.
        tolerance: which transformations, and the zone.
        grammar: what is valid.
        words: of both versions.
    """
    document = document.copy()
    root = document.root
    setting = slips.Setting(grammar, words, tolerance.zone)
    counts: dict[str, int] = {}
    for one in TABLE:
        if one.id in tolerance.names:
            done = sum(map(one.change, slips.spots(root, grammar.roots[str(root.tag)], setting)))
            if done:
                counts[one.id] = done
    return Tolerated(document, counts)


def told(counts: Mapping[str, int]) -> str:
    """What was done, in one line for people."""
    return ", ".join(name if number == 1 else f"{name} x{number}" for name, number in counts.items())
