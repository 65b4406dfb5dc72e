"""One exchange: its states, what was decided about it, and the table of what may follow what.

An exchange is one request of a POS that may move money. Everything known about it is a fold over its decisions, each
of which is on disk before anything acts on it, so that a restart knows exactly what the process before it knew:

    received       the request is on disk; nothing left this process
    asking         key, operation and body are on disk; bytes may have left us
    acknowledged   the platform's transactionId is on disk
    settled        the final outcome and the answer's bytes are on disk and never change
    delivered      the answer was written to a connection; for diagnosis only, but where it is owed to a place that
                   outlives connections: there it is what ends the exchange

Three marks lie beside the state while it is unresolved: a *wish* (a stop is wanted), a *fence* (a fencing cancel was
decided) and *parked* (the time to answer passed). What is not in ``NEXT`` or ``MARKS`` is refused by name: rule R1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Literal

from nexo_bridge.categories.plan import Facts, Session
from nexo_bridge.core import decisions as did
from nexo_bridge.core.decisions import Decision
from nexo_bridge.core.journal import History, Json
from nexo_bridge.core.source import Source
from nexo_bridge.nexo.messages import Message
from nexo_bridge.policy import Policy


class State(Enum):
    """Where an unresolved exchange stands, and how it ends."""

    RECEIVED = "received"
    ASKING = "asking"
    ACKNOWLEDGED = "acknowledged"
    SETTLED = "settled"
    DELIVERED = "delivered"


_UNRESOLVED = frozenset({State.RECEIVED, State.ASKING, State.ACKNOWLEDGED})

NEXT: Mapping[tuple[State | None, type[Decision]], State] = MappingProxyType(
    {
        (None, did.Received): State.RECEIVED,
        (State.RECEIVED, did.Asking): State.ASKING,
        (State.RECEIVED, did.Settled): State.SETTLED,
        (State.ASKING, did.Acknowledged): State.ACKNOWLEDGED,
        (State.ASKING, did.Settled): State.SETTLED,
        (State.ACKNOWLEDGED, did.Settled): State.SETTLED,
        (State.SETTLED, did.Delivered): State.DELIVERED,
        (State.DELIVERED, did.Delivered): State.DELIVERED,
        (State.SETTLED, did.Undelivered): State.SETTLED,
    }
)
"""(state, decision) -> state."""

MARKS: Mapping[type[Decision], frozenset[State]] = MappingProxyType(
    {
        did.Wished: _UNRESOLVED,
        did.Fenced: frozenset({State.ASKING}),
        did.Parked: frozenset({State.ASKING, State.ACKNOWLEDGED}),
        did.Joined: _UNRESOLVED,
        did.Resolved: frozenset({State.ASKING, State.ACKNOWLEDGED}),
        did.Disagreed: frozenset({State.SETTLED, State.DELIVERED}),
    }
)
"""Decisions that leave the state as it is, and the states in which they may be made."""


class IllegalStepError(Exception):
    """A decision that the table does not know; a defect of ours, never the peer's fault."""

    def __init__(self, state: State | None, decision: Decision) -> None:
        super().__init__(f"{decision.name} is not possible in state {state.value if state else 'none'}")


@dataclass(frozen=True)
class Exchange:
    """The fold of an exchange's decisions; made by ``advance`` and ``fold`` only.

    Attributes:
        id: unique in this journal, derived from the number of the event that began it.
        received_at: wall time of that event; every deadline counts from it (rule R5).
        owed: where the answer must still be written, by this process or a later one; None where nobody waits so.
    """

    id: str
    state: State
    received_at: float
    received: did.Received
    asking: did.Asking | None = None
    transaction_id: str | None = None
    wished: did.Wished | None = None
    fenced: bool = False
    parked: bool = False
    settled: did.Settled | None = None
    owed: Source | None = None

    @cached_property
    def request(self) -> Message:
        """The request as it was journalled: its secrets are HMACs."""
        return Message.load(self.received.request)

    def shown(self) -> Json:
        """What people may see of it: ids, amount, state; nothing of the customer."""
        received = self.received
        return {
            "exchange": self.id,
            "poi_id": received.poi_id,
            "sale_id": received.sale_id,
            "service_id": received.service_id,
            "amount": received.amount,
            "currency": received.currency,
            "received_at": self.received_at,
            "state": "parked" if self.parked else self.state.value,
            "wished": self.wished is not None,
            "fenced": self.fenced,
            "transaction_id": self.transaction_id,
            "key": self.asking.key if self.asking else None,
        }

    @property
    def wanted_by(self) -> Literal["pos", "deadline"] | None:
        """Who of us wanted it stopped: a wish, or the fence that ends what is pending."""
        if self.wished:
            return self.wished.by
        return "deadline" if self.fenced else None

    @property
    def unresolved(self) -> bool:
        """Whether the outcome is still open."""
        return self.state in _UNRESOLVED


def advance(exchange: Exchange | None, decision: Decision, *, id: str, wall: float) -> Exchange:  # noqa: A002 - the field's name
    """The exchange after ``decision``.

    Raises:
        IllegalStepError: the tables above do not allow it.
    """
    state = exchange.state if exchange else None
    following = NEXT.get((state, type(decision)))
    if following is None:
        if state is None or state not in MARKS.get(type(decision), frozenset()):
            raise IllegalStepError(state, decision)
        following = state
    match decision:
        case did.Received():
            return Exchange(id, following, wall, decision, owed=decision.source)
        case _ if exchange is None:  # the table lets nothing but Received begin an exchange
            raise IllegalStepError(state, decision)
        case did.Asking():
            return replace(exchange, state=following, asking=decision)
        case did.Acknowledged():
            return replace(exchange, state=following, transaction_id=decision.transaction_id)
        case did.Wished():
            return exchange if exchange.wished else replace(exchange, wished=decision)
        case did.Fenced():
            return replace(exchange, fenced=True)
        case did.Parked():
            return replace(exchange, parked=True, owed=None if decision.answered else exchange.owed)
        case did.Joined():
            return replace(exchange, owed=decision.source)
        case did.Settled():
            return replace(exchange, state=following, settled=decision)
        case _:
            return replace(exchange, state=following)


def ends(exchange: Exchange, decision: Decision) -> bool:
    """Whether ``decision``, made last, leaves nothing to do for a later process (R11: an owed answer is one)."""
    match decision:
        case did.Settled():
            return exchange.owed is None
        case did.Delivered() | did.Undelivered():
            return exchange.owed is not None
        case _:
            return False


def facts_of(exchange: Exchange, policy: Policy, session: Session | None, now: float) -> Facts:
    """What its category may know when it composes what people and the POS are told."""
    asking = exchange.asking
    return Facts(
        now=now,
        reference=policy.reference(exchange.id),
        policy=policy,
        terminal=policy.terminals.get(exchange.received.poi_id),
        session=session,
        key=asking.key if asking else "",
        wished=exchange.wanted_by,
        asked=(asking.amount, asking.currency) if asking else None,
        operation=asking.operation if asking else "",
    )


def fold(history: History) -> Exchange:
    """The exchange that a journal's history describes.

    Raises:
        IllegalStepError: the history breaks the tables.
        ValueError: it holds no decision of an exchange.
    """
    exchange: Exchange | None = None
    for entry in history.entries:
        exchange = advance(exchange, did.read(entry), id=history.exchange, wall=entry.stamp.wall)
    if exchange is None:
        raise ValueError(f"{history.exchange} has no decisions")
    return exchange
