"""The words in which a category answers the core: facts in, a plan out. Nothing here acts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Generic, Literal, TypeAlias, TypeVar

from nexo_bridge.nexo.elements import Element, Version
from nexo_bridge.nexo.messages import Message, MessageReference
from nexo_bridge.nexo.values import Timestamp
from nexo_bridge.policy import Policy, Terminal
from nexo_bridge.ppaas.models import Approved, Declined, Model, NotSent, Pending

Q = TypeVar("Q", bound=Element)
R = TypeVar("R", bound=Element)


@dataclass(frozen=True, slots=True)
class Session:
    """A login session of one SaleID and POIID (journalled; outlives connections and restarts).

    Attributes:
        id: names it in the journal.
        capabilities: SaleCapabilities given at Login: which device requests the POS takes.
    """

    id: str
    sale_id: str
    poi_id: str
    version: Version
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a category may know beside the request.

    Attributes:
        now: wall time, seconds since the epoch.
        reference: this exchange's id; becomes the POI's transaction id.
        key: the idempotency key of the money step (rule R2).
        wished: who wanted the exchange stopped, if anybody.
        asked: minor units and currency asked of the platform, once it was asked.
        operation: the row it was asked by.
        version: protocol version the answer is written in.
        logged_in: SaleIDs with a session on this terminal.
        busy: an exchange holds this terminal.
    """

    now: float
    reference: str
    policy: Policy
    terminal: Terminal | None = None
    session: Session | None = None
    key: str = ""
    wished: Literal["pos", "deadline"] | None = None
    asked: tuple[int, str] | None = None
    operation: str = ""
    version: Version = "3.1"
    logged_in: tuple[str, ...] = ()
    busy: bool = False

    @property
    def timestamp(self) -> Timestamp:
        """``now`` as nexo writes it: UTC, milliseconds, zone."""
        return timestamp(self.now)


def timestamp(wall: float) -> Timestamp:
    """A wall time (seconds since the epoch) as nexo writes it."""
    return Timestamp.of(datetime.fromtimestamp(wall, tz=UTC))


@dataclass(frozen=True, slots=True)
class Ask:
    """One money step: ask the platform to do it.

    Attributes:
        role: sale, cancel, refund … (part of the key).
        operation, read, find, fence, stop: rows of ``ppaas.operations``.
        amount: minor units of ``currency``.
    """

    role: str
    operation: str
    body: Model
    amount: int
    currency: str
    read: str
    find: str
    fence: str
    stop: str


@dataclass(frozen=True, slots=True)
class Steps:
    """Ordered money steps, each journalled before it is asked."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True)
class AnswerNow:
    """The answer is known without asking anybody. ``status`` is what the journal calls it."""

    body: Element
    status: str = "REFUSED"


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session begins with this answer."""

    body: Element
    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CloseSession:
    """The session ends with this answer."""

    body: Element


@dataclass(frozen=True, slots=True)
class Inquire:
    """Ask the platform without moving money; the answer is composed from the outcomes by operation."""

    operations: tuple[str, ...]
    poi_id: str


@dataclass(frozen=True, slots=True)
class ReportOn:
    """Tell what became of an earlier request (rule R9); no reference means the last accepted one."""

    reference: MessageReference | None


@dataclass(frozen=True, slots=True)
class StopExchange:
    """A wish to stop an earlier request (rule R6)."""

    reference: MessageReference


@dataclass(frozen=True, slots=True)
class Nothing:
    """The category has no answer and asks for nothing."""


Plan: TypeAlias = Steps | AnswerNow | OpenSession | CloseSession | Inquire | ReportOn | StopExchange | Nothing


@dataclass(frozen=True, slots=True)
class NeverCreated:
    """Certain by rule R4: the platform never had the transaction and never will."""


@dataclass(frozen=True, slots=True)
class NotStarted:
    """Settled before anything was asked: a restart, or a wish that came first."""

    because: Literal["restart", "abort"]


@dataclass(frozen=True, slots=True)
class ResolvedUnpaid:
    """A person found that it was not paid (rule R12)."""


Ending: TypeAlias = Approved | Declined | NotSent | NeverCreated | NotStarted | ResolvedUnpaid
"""How a money exchange can end; each becomes an answer by the category's ``reply``."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What people should see while the exchange runs: nothing in it may disturb the payment.

    Attributes:
        to_pos: Display requests for the POS.
        to_terminal: bodies of the terminal's display operation.
    """

    to_pos: tuple[Element, ...] = ()
    to_terminal: tuple[Model, ...] = field(default_factory=tuple)


@dataclass(frozen=True)
class Category(Generic[Q, R]):
    """One nexo message category: data and pure functions.

    Attributes:
        name: nexo MessageCategory.
        plan: what a request asks for. Raises a ``Refusal`` when it cannot be served.
        reply: the answer to a request that was asked of the platform.
        progress: what people should see meanwhile.
        guarded: rule R3's table of sameness holds (it moves money).
        sessionless: served without Login.
        overlaps: never Busy: served while another exchange holds the terminal.
    """

    name: str
    plan: Callable[[Message, Q, Facts], Plan]
    reply: Callable[[Q, Ending, Facts], R] | None = None
    progress: Callable[[Q, Pending, Facts], Shown] | None = None
    report: Callable[[Q, tuple[tuple[str, object], ...], Facts], R] | None = None
    guarded: bool = False
    sessionless: bool = False
    overlaps: bool = False
