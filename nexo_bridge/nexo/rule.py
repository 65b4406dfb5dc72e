"""What a rule is made of, and the limits that rules state. The rules themselves are in ``rule_table``."""

from __future__ import annotations

from dataclasses import dataclass

ADDRESS_LIMIT = 64
"""Characters of a SaleID or POIID; twice the longest published limit, so nothing in use is refused (assumed)."""
POIID_PUBLISHED_LIMIT = 32
"""Bytes of a POIID that terminals of Swedbank Pay take."""
ID_LIMIT = 128
"""Characters of any other identifier; the longest published ones have 35 to 64 (assumed)."""
TRANSACTION_ID_PUBLISHED_LIMIT = 35
"""Characters of a TransactionID that Market Pay takes; longer ones are refused there."""
VERSION_LIMIT = 20
"""Characters of a ProtocolVersion (assumed; the longest seen has 8)."""
FIRST_YEAR = 2000
LAST_YEAR = 2099


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: ``NX-nnn``, stable.
        says: the rule in one sentence; also what a violation reports as expected.
        wrong: a fragment that breaks it.
        fix: what to write instead.
        warning: published examples break it, so it never refuses a message.
        repeated: only a warning in responses and events, which repeat what another message said: the answer
            that refuses a bad identifier has to carry it.
    """

    id: str
    says: str
    wrong: str
    fix: str
    warning: bool = False
    repeated: bool = False
