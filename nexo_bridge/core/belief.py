"""What may be believed of the platform's words, and from when (rules R4 and R6).

Judgements only: each looks at what is known and says yes, no or not before; ``course`` acts on them. What is
remembered here belongs to this process: after a restart it is made again in the way that counts as lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nexo_bridge.core import decisions as did
from nexo_bridge.core.exchange import Exchange
from nexo_bridge.policy import Certainty
from nexo_bridge.ppaas.models import NotSent, Outcome, Transaction, Unknown
from nexo_bridge.ppaas.operations import OPERATIONS

FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PARKED_PAUSE = 0.5, 5.0, 60.0
"""Seconds between looks: they begin short, because customers are quick, and grow by ``GROWTH``."""
GROWTH = 1.6


def disagreement(exchange: Exchange, transaction: Transaction) -> str | None:
    """Why this transaction cannot be the one that was asked for, if so (R4)."""
    asking = exchange.asking
    assert asking is not None, "nothing is heard before it is asked"
    if transaction.client_transaction_id != asking.key:
        return "the platform answered with another clientTransactionId"
    if transaction.device_id != asking.serial:
        return "the platform answered for another device"
    if transaction.currency != asking.currency:
        return "the platform answered in another currency"
    if exchange.transaction_id not in {None, transaction.transaction_id}:
        return "the platform answered with another transactionId"
    return None


def overcharge(asking: did.Asking, transaction: Transaction) -> str | None:
    """Why an approval cannot be believed: more than was asked, and no tip or surcharge that explains it (R4)."""
    authorised = asking.amount if transaction.authorised is None else transaction.authorised
    asked_tip = asking.body.get("tip_amount") or 0
    extra = max((transaction.tip or 0) - asked_tip, 0) + (transaction.surcharge or 0)
    if authorised - extra > asking.amount:
        return "the platform approved more than was asked"
    if authorised <= 0:
        return "the platform approved nothing"
    return None


@dataclass(slots=True)
class Pace:
    """How long to wait until the next look."""

    pause: float = FIRST_PAUSE

    def next(self, longest: float) -> float:
        """Seconds to wait now; the next time it is more, up to ``longest``."""
        pause, self.pause = self.pause, min(self.pause * GROWTH, longest)
        return pause


@dataclass(slots=True)
class Stop:
    """What this process knows of the copies of the stop it sent; times are monotonic.

    Attributes:
        wanted: send another copy when the platform still says pending.
        answered: when the last copy ended, however.
        acting: when the last copy ended that may still undo an approval.
    """

    sent: bool = False
    wanted: bool = False
    answered: float | None = None
    acting: float | None = None

    @classmethod
    def lost(cls, now: float) -> Stop:
        """A copy may have left before a crash, and a crash counts as lost (R6)."""
        return cls(sent=True, wanted=True, answered=now, acting=now)

    def heard(self, outcome: Outcome, operation: str, now: float) -> None:
        """A copy of ``operation`` ended."""
        self.answered = now
        if isinstance(outcome, NotSent):
            # Refused by name: the wish failed and the payment goes on. Not even sent: wish again.
            self.wanted = outcome.status is None
            return
        self.wanted = isinstance(outcome, Unknown)
        if not OPERATIONS[operation].refuses_approved:
            self.acting = now

    def believable_from(self, now: float, after: float) -> float:
        """Time from which a read that says approved may be believed (R6)."""
        answered = self.answered if self.answered is not None else now
        return answered if self.acting is None else max(answered, self.acting + after)


@dataclass(slots=True)
class Fence:
    """What this process knows of the fencing cancel; times are monotonic.

    Attributes:
        accepted: when an answer said no more than "accepted".
        proofs: reads in a row, begun late enough after it, that found nothing.
    """

    accepted: float | None = None
    proofs: int = 0
    pace: Pace = field(default_factory=Pace)

    def taken(self, now: float) -> None:
        """An answer said "accepted": from here on reads may prove something."""
        self.accepted, self.proofs = now, 0

    def provable_from(self, certainty: Certainty) -> float | None:
        """Time from which a read that finds nothing counts (R4); None while none ever will."""
        return None if self.accepted is None else self.accepted + certainty.after

    def next_pause(self) -> float:
        """Seconds until a lost fence is sent again; they grow."""
        return self.pace.next(LONGEST_PARKED_PAUSE)
