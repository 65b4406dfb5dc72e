"""The named points of the payment path: moments at which a crash is worth playing.

The bridge announces them to its ``checkpoint`` port, which does nothing in the daemon. Each has a pattern here, so
that a new one without a row fails a test; ``docs/conversations.md`` lists the rows, and the kill matrix walks the
path of a payment through all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

POINTS: Mapping[str, str] = MappingProxyType(
    {
        "frame.read": "a whole message came in; nothing was looked at",
        "frame.validated": "it was parsed and checked, or refused",
        "EVENT.taken": "an event (`Arrived`, `Found`, `PlatformAnswered`, `AlarmRang`, `Written`, …) is queued for the"
        " journal, and the core has not seen it",
        "DECISION.decided": "the core decided (`Received`, `Asking`, `Acknowledged`, `Wished`, `Fenced`, `Parked`,"
        " `Settled`, `Delivered`, …); nothing of it is on disk",
        "journal.committing": "entries are handed to the disk and not yet safe",
        "journal.committed": "they are on disk; nobody was told",
        "COMMAND.allowed": "what a command (`CallPlatform`, `Reply`, …) waited for is on disk; it was not carried out",
        "OPERATION.sending": "a call of the platform (`create_card`, `read_card`, …) is about to leave",
        "OPERATION.answered": "its outcome is known to the adapter alone",
        "Reply.writing": "an answer is about to be written",
        "answer.half": "half of an answer's bytes are with the kernel",
        "Reply.written": "all of them are",
        "ALARM.raised": "people are about to be told (`PARKED`, `DISCREPANCY`, …)",
    }
)
"""Point → what has happened and what has not. Words in capitals stand for names."""

_PATTERNS = tuple(re.compile(re.sub(r"[A-Z]{5,}", r"\\w+", point.replace(".", r"\."))) for point in POINTS)


def is_point(name: str) -> bool:
    """Whether ``name`` is one of the points."""
    return any(pattern.fullmatch(name) for pattern in _PATTERNS)
