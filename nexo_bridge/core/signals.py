"""What the core is told (events, past tense) and what it answers (commands, imperative).

Events are pydantic models because every one is journalled as an input and fed again by replay; commands stay in this
process. Secrets inside an event are journalled as their HMAC, and a core that is fed that form decides the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_serializer, field_validator

from nexo_bridge.core.journal import Entry, History, Query
from nexo_bridge.core.source import Source
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.messages import Message
from nexo_bridge.policy import Policy
from nexo_bridge.ppaas.models import Model, Outcome
from nexo_bridge.redaction import Secret


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HeaderIds(_Event):
    """Header attributes as plain strings, read before and whether or not the body is valid."""

    kind: Literal["request", "response"] = "request"
    message_class: str = ""
    category: str = ""
    service_id: str | None = None
    device_id: str | None = None
    sale_id: str = ""
    poi_id: str = ""


class Refused(_Event):
    """Why the transport refuses a message although it can be read: it was retained, it is too old."""

    condition: str
    code: str
    retry: Literal["yes", "no", "check"]
    at: str
    text: str


class Started(_Event):
    """The process began (or reopened its journal): what was open on disk, sessions included."""

    name: Literal["Started"] = "Started"
    open: tuple[History, ...] = ()


class Arrived(_Event):
    """A valid nexo message came in.

    Attributes:
        digest: HMAC of the canonical body: what "the same body" means (rule R3).
        refused: it must not be acted on; a repeat of what was acted on before is answered as ever.
        version: schema it was read under and its answer is written in.
        present: the connection still stood when the core took the message up.
        room: the journal's disk has room for new money work beside what runs (F66).
        ack: transport's acknowledgement token, None where there is none (TCP).
        tolerated: how often which transformation of tolerant mode was applied; None for a message valid as it came.
    """

    name: Literal["Arrived"] = "Arrived"
    source: Source
    message: Message
    version: Version
    digest: str
    present: bool = True
    room: bool = True
    ack: int | None = None
    refused: Refused | None = None
    tolerated: dict[str, int] | None = None

    @field_serializer("message")
    def _dump(self, message: Message) -> dict[str, Any]:
        return message.dump()

    @field_validator("message", mode="before")
    @classmethod
    def _load(cls, value: Any) -> Any:
        return Message.load(value) if isinstance(value, dict) else value


class Unreadable(_Event):
    """Something came in that is no valid nexo message; the refusal says why.

    Attributes:
        header: what could be read of its header, or the ids last readable on that connection.
        answerable: the header itself was readable, so that a proper response can be made.
        sale_transaction: (TransactionID, TimeStamp) if they could be read; a failed response repeats them.
        start: the first bytes, base64, for the RejectedMessage of an Event.
    """

    name: Literal["Unreadable"] = "Unreadable"
    source: Source
    header: HeaderIds
    answerable: bool
    version: Version
    condition: str
    code: str
    retry: Literal["yes", "no", "check"]
    at: str
    text: str
    sale_transaction: tuple[str, str] | None = None
    start: Secret | None = None
    ack: int | None = None


class PosGone(_Event):
    """The connection is gone; a half-closed one is not."""

    name: Literal["PosGone"] = "PosGone"
    source: Source


class Written(_Event):
    """The answer of an exchange was handed to its connection."""

    name: Literal["Written"] = "Written"
    exchange: str


class PlatformAnswered(_Event):
    """A call ended; ``call`` is the number its command carried."""

    name: Literal["PlatformAnswered"] = "PlatformAnswered"
    exchange: str
    call: str
    outcome: Outcome


class PlatformEvent(_Event):
    """The platform told something unasked (rule R7): at least once, in any order, late, doubled, contradictory.

    Attributes:
        source: the channel it came by; ``Accept`` goes back there.
        ack: the channel's acknowledgement token.
        poiid: whose channel it was.
        event_id: the platform's, for finding doubles.
        sequence: orders the events of one transaction, and nothing else.
        settles: the channel is mutually authenticated, so a final status may be believed; else it triggers a read.
        missed: events before this one may be lost (F56), so what is open at that terminal is read.
        outcome: what it says; None when nothing could be made of it.
    """

    name: Literal["PlatformEvent"] = "PlatformEvent"
    source: Source
    ack: int
    poiid: str
    event_id: str
    sequence: int = 0
    settles: bool = False
    missed: bool = False
    outcome: Outcome | None = None


class Found(_Event):
    """What a ``Lookup`` brought, one tuple for each query; None when the journal cannot be read."""

    name: Literal["Found"] = "Found"
    exchange: str
    results: tuple[tuple[History, ...], ...] | None


class AlarmRang(_Event):
    """A moment asked for with ``WakeAt`` has come."""

    name: Literal["AlarmRang"] = "AlarmRang"
    exchange: str
    alarm: str


class JournalBroke(_Event):
    """A commit failed: nothing that depends on it has happened, and money work stops."""

    name: Literal["JournalBroke"] = "JournalBroke"
    reason: str


class Reconfigured(_Event):
    """The configuration was read again and is good; what runs goes on under it."""

    name: Literal["Reconfigured"] = "Reconfigured"
    policy: Policy


class ResolveAsked(_Event):
    """A person decides an exchange that no program can (rule R12).

    Attributes:
        request: whom to tell; see ``Tell``.
        checked: the person has looked at the platform's own records.
    """

    name: Literal["ResolveAsked"] = "ResolveAsked"
    request: int
    exchange: str
    paid: bool
    by: str
    why: str
    checked: bool = False


class Stopping(_Event):
    """The process was asked to end: what runs is finished, nothing new begins."""

    name: Literal["Stopping"] = "Stopping"


Event: TypeAlias = (
    Started
    | Stopping
    | Reconfigured
    | ResolveAsked
    | Arrived
    | Unreadable
    | PosGone
    | Written
    | PlatformAnswered
    | PlatformEvent
    | Found
    | AlarmRang
    | JournalBroke
)

EVENTS: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="name")])
"""Events to and from the JSON of a journal's input entries."""


@dataclass(frozen=True, slots=True)
class Journal:
    """Barrier: later commands of the same exchange run only after this entry is on disk."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that its transport brings again until it is acknowledged (rule R13).

    Attributes:
        ack: the transport's number for it.
        number: journal number of its input, which is on disk before anything is acknowledged.
    """

    source: Source
    ack: int
    number: int


def deliveries(number: int, event: Arrived | Unreadable) -> tuple[Delivery, ...]:
    """What there is to acknowledge of ``event``, whose input has this number."""
    return () if event.ack is None else (Delivery(event.source, event.ack, number),)


@dataclass(frozen=True, slots=True)
class Accept:
    """Acknowledge to the transport: the journal has the message.

    Attributes:
        exchange: it may not overtake the last journal entry of this exchange; empty: the message's own is enough.
    """

    source: Source
    ack: int
    exchange: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Write ``data`` to ``source``.

    Attributes:
        exchange: the write may not overtake the last journal entry of this exchange; empty: it depends on none.
        settles: a ``Written`` event is wanted once it is out.
        accepts: acknowledged once it is out, or can never be: killed in between, they come again and are answered.
    """

    source: Source
    data: bytes
    exchange: str = ""
    settles: bool = False
    accepts: tuple[Delivery, ...] = ()


@dataclass(frozen=True, slots=True)
class CallPlatform:
    """Start one platform call; its outcome comes back as ``PlatformAnswered`` with the same ``call``."""

    exchange: str
    call: str
    poiid: str
    operation: str
    path: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    body: Model | None = None
    key: str = ""
    serial: str = ""


@dataclass(frozen=True, slots=True)
class Lookup:
    """Ask the journal; the rows come back as ``Found``."""

    exchange: str
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Ring ``alarm`` of ``exchange`` at ``wall`` (seconds since the epoch); a second one replaces the first."""

    wall: float
    exchange: str
    alarm: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The exchange is over: its alarms and bookkeeping may go."""

    exchange: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the person who asked (``ResolveAsked.request``) what came of it, once it is on disk."""

    request: int
    done: bool
    text: str
    exchange: str


@dataclass(frozen=True, slots=True)
class Raise:
    """Tell people: something no program can decide."""

    exchange: str
    alarm: str
    text: str


Command: TypeAlias = Journal | Accept | Reply | CallPlatform | Lookup | WakeAt | Forget | Tell | Raise
