"""What the core writes down before it acts: the decisions, and how each stands in the journal.

Recovery reads these and nothing else, so each carries all that acting on it later needs: the key is never computed
again and nothing is planned again. ``public`` is the projection that people may see; it is an allow-list.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from nexo_bridge.core.journal import Entry, Json, Stamp
from nexo_bridge.core.source import Source
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.messages import MessageHeader

Refs: TypeAlias = tuple[tuple[str, str], ...]


class Decision(BaseModel):
    """Base of the decisions; ``name`` is how the journal calls it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    shown: ClassVar[tuple[str, ...]] = ()

    def public(self) -> Json:
        """The fields in ``shown``, as they are; everything else stays sealed."""
        whole = self.model_dump(mode="json")
        return {field: whole[field] for field in self.shown if whole[field] is not None}


class Received(Decision):
    """A money request was taken up, or refused on the spot (``refused``): its key is used from here on.

    Attributes:
        request: the message, its secrets as HMACs.
        digest: HMAC of its canonical body.
        session: id of the login session it came in, empty without one.
        number: what a body without SaleTransactionID adds to its idempotency key (rule R2).
        refused: nothing was planned; the settling refusal follows at once.
        mismatch: refused because its ServiceID is another request's; a reference by ServiceID never means it.
        source: where the answer can still be written by a later process; None where it cannot outlive a connection.
        tolerated: see ``signals.Arrived``.
    """

    name: Literal["Received"] = "Received"
    request: Json
    version: Version
    digest: str
    session: str
    category: str
    sale_id: str
    poi_id: str
    service_id: str
    amount: str | None = None
    currency: str | None = None
    sale_transaction: str | None = None
    refused: bool = False
    mismatch: bool = False
    source: Source | None = None
    tolerated: dict[str, int] | None = None
    shown: ClassVar = (
        "category",
        "sale_id",
        "poi_id",
        "service_id",
        "amount",
        "currency",
        "refused",
        "tolerated",
    )


class Asking(Decision):
    """Key, operation and body of the money step: from here on bytes may have left us.

    Attributes:
        body: as journalled, secrets as HMACs; it is never sent from here.
        amount: requested, in minor units of ``currency``.
        stop: operation that stops it (rule R6); ``acts`` says whether that may undo an approval.
    """

    name: Literal["Asking"] = "Asking"
    step: int = 0
    role: str
    key: str
    poiid: str
    serial: str
    operation: str
    body: Json
    amount: int
    currency: str
    read: str
    find: str
    fence: str
    stop: str
    shown: ClassVar = ("role", "key", "operation", "amount", "currency", "serial")


class Acknowledged(Decision):
    """The platform's transactionId is known."""

    name: Literal["Acknowledged"] = "Acknowledged"
    step: int = 0
    transaction_id: str
    shown: ClassVar = ("transaction_id",)


class Wished(Decision):
    """A stop is wanted: by the POS (``service_id`` of its Abort) or because the customer's time passed."""

    name: Literal["Wished"] = "Wished"
    by: Literal["pos", "deadline"]
    service_id: str = ""
    shown: ClassVar = ("by", "service_id")


class Fenced(Decision):
    """A fencing cancel was decided: the create may or may not have arrived."""

    name: Literal["Fenced"] = "Fenced"


class Parked(Decision):
    """The time to answer passed and the outcome is unknown.

    Attributes:
        answered: its request was answered with that, so no answer is owed to a place that lasts any more (rule R5,
            ``on_unknown``).
    """

    name: Literal["Parked"] = "Parked"
    answered: bool = False


class Joined(Decision):
    """The same request came again from another place that lasts: its answer goes there (rule R11)."""

    name: Literal["Joined"] = "Joined"
    source: Source


class Resolved(Decision):
    """A person decided what no program could (rule R12); ``Settled`` follows."""

    name: Literal["Resolved"] = "Resolved"
    paid: bool
    by: str
    why: str
    shown: ClassVar = ("paid", "by", "why")


class Settled(Decision):
    """The final outcome and the answer's bytes. Frozen: rule R8.

    Attributes:
        answer: the response, XML, without a frame.
        status: the platform's last word, or ours (``NEVER_CREATED``, ``NOT_SENT``, ``NOT_STARTED``, ``REFUSED``).
        authorised: in minor units, when approved.
    """

    name: Literal["Settled"] = "Settled"
    result: str
    condition: str | None = None
    code: str | None = None
    status: str
    authorised: int | None = None
    currency: str | None = None
    answer: str
    shown: ClassVar = ("result", "condition", "code", "status", "authorised", "currency")


class Delivered(Decision):
    """The answer was written to a connection; a written byte is not a read one."""

    name: Literal["Delivered"] = "Delivered"


class Undelivered(Decision):
    """The answer could not be written for as long as answers are kept; it is not tried again."""

    name: Literal["Undelivered"] = "Undelivered"


class Disagreed(Decision):
    """A final fact that contradicts what was settled: a discrepancy for people (rule R8)."""

    name: Literal["Disagreed"] = "Disagreed"
    status: str
    authorised: int | None = None
    shown: ClassVar = ("status", "authorised")


class LoggedIn(Decision):
    """A session began; the one before it of the same SaleID and POIID ended."""

    name: Literal["LoggedIn"] = "LoggedIn"
    sale_id: str
    poi_id: str
    version: Version
    capabilities: tuple[str, ...] = ()
    tolerated: dict[str, int] | None = None
    shown: ClassVar = ("sale_id", "poi_id", "version", "tolerated")


class LoggedOut(Decision):
    """A session ended: by Logout, or replaced by a Login."""

    name: Literal["LoggedOut"] = "LoggedOut"
    replaced: bool = False
    shown: ClassVar = ("replaced",)


AnyDecision: TypeAlias = (
    Received
    | Asking
    | Acknowledged
    | Wished
    | Fenced
    | Parked
    | Joined
    | Resolved
    | Settled
    | Delivered
    | Undelivered
    | Disagreed
    | LoggedIn
    | LoggedOut
)
_READER: TypeAdapter[AnyDecision] = TypeAdapter(Annotated[AnyDecision, Field(discriminator="name")])
_ENDS = (Settled, LoggedOut)


def entry(
    decision: Decision, stamp: Stamp, exchange: str, refs: Refs = (), *, ends: bool | None = None
) -> Entry:
    """The journal entry of a decision.

    Args:
        ends: whether nothing of its exchange is left to do after it; None: what its kind usually means.
    """
    return Entry(
        stamp=stamp,
        kind="decision",
        name=decision.name,
        exchange=exchange,
        body=decision.model_dump(mode="json"),
        public=decision.public(),
        refs=refs,
        settles=isinstance(decision, _ENDS) if ends is None else ends,
    )


def read(record: Entry) -> AnyDecision:
    """The decision an entry holds.

    Raises:
        ValueError: the entry is not one of ours (its format was not brought up to date).
    """
    return _READER.validate_python(record.body)


def key_of(header: MessageHeader) -> str:
    """Rule R3's key: class, SaleID, POIID, ServiceID, DeviceID; unambiguous whatever the ids contain."""
    parts: list[Any] = [
        header.message_class,
        header.sale_id,
        header.poi_id,
        header.service_id,
        header.device_id,
    ]
    return json.dumps(parts, ensure_ascii=False)


def request_of(key: str, digest: str) -> str:
    """Name of one request: its key and its body. It is told from the key alone by its length."""
    return json.dumps([*json.loads(key), digest], ensure_ascii=False)


def pair_of(sale_id: str, poi_id: str) -> str:
    """Name of a SaleID/POIID pair, unambiguous whatever the ids contain."""
    return json.dumps([sale_id, poi_id], ensure_ascii=False)


def service_of(sale_id: str, poi_id: str, service_id: str) -> str:
    """Name of one ServiceID of a pair."""
    return json.dumps([sale_id, poi_id, service_id], ensure_ascii=False)


def sale_of(sale_id: str, transaction_id: str, *terms: str) -> str:
    """Name of one SaleTransactionID of a Sale System, asked for on these terms."""
    return json.dumps([sale_id, transaction_id, *terms], ensure_ascii=False)
