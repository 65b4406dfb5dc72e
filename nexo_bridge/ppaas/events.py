"""Reading what the platform tells unasked: one JSON event (``docs/ppaas-contract.md`` section 8, assumed).

Nothing in here refuses: rule R7 wants every event journalled and acknowledged, also one that nobody understands. What
cannot be relied on is left out, and an event without an outcome is ignored by the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nexo_bridge.ppaas.answers import NO, YES, UnreadableError, load, transaction
from nexo_bridge.ppaas.models import Approved, Declined, Outcome, Pending
from nexo_bridge.redaction import printable

MAX_EVENT = 64 * 1024
"""Longest event that is read, in bytes. A longer one is not taken from the wire at all."""

UPDATED = "transaction.updated"
"""The one type of event there is (assumed); others are acknowledged and ignored."""

_MOST_SEQUENCE = 2**53
_OF_THE_EVENT = frozenset({"eventId", "eventType", "occurredAt", "sequence"})


@dataclass(frozen=True, slots=True)
class Told:
    """One event, as far as it could be read.

    Attributes:
        event_id: the platform's, by which doubles are known and a stream is resumed; empty when there is none.
        sequence: orders the events of one transaction; 0 when there is none.
        device_id: serial number of the terminal it is about; empty when there is none.
        outcome: what it says of a transaction; None when that could not be relied on.
        problem: why there is no outcome, in our words; None when there is one.
    """

    event_id: str = ""
    sequence: int = 0
    device_id: str = ""
    outcome: Outcome | None = None
    problem: str | None = None


def read(body: bytes) -> Told:
    """What ``body`` tells; never raises."""
    if len(body) > MAX_EVENT:
        return Told(problem="too long")
    try:
        fields = load({}, body)
    except UnreadableError as fault:
        return Told(problem=str(fault))
    if not isinstance(fields, dict):
        return Told(problem="not an object")
    event_id, device_id = _word(fields, "eventId"), _word(fields, "deviceId")
    sequence = fields.get("sequence")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 0 <= sequence <= _MOST_SEQUENCE:
        sequence = 0
    if fields.get("eventType", UPDATED) != UPDATED:
        return Told(event_id, sequence, device_id, problem="another type of event")
    try:
        outcome = _outcome({name: value for name, value in fields.items() if name not in _OF_THE_EVENT})
    except UnreadableError as fault:
        return Told(event_id, sequence, device_id, problem=str(fault))
    return Told(event_id, sequence, device_id, outcome)


def _outcome(fields: dict[str, Any]) -> Outcome:
    named = transaction(fields)
    if named.status in YES:
        return Approved(transaction=named)
    if named.status in NO:
        return Declined(transaction=named)
    return Pending(transaction=named)


def _word(fields: dict[str, Any], name: str) -> str:
    """An id we may keep and send back: printable and not long, else as if absent."""
    value = fields.get(name)
    if (
        not isinstance(value, str)
        or not value.isascii()
        or value != printable(value, 128)
        or len(value) > 128
    ):
        return ""
    return value
