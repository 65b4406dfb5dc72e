"""Answers to money requests that begin nothing: repeats, refusals, and what is turned away as the disk fails (R3)."""

from __future__ import annotations

from collections.abc import Iterator

from nexo_bridge.categories.conditions import FAILURES, Failure, of_refusal
from nexo_bridge.categories.plan import Facts, Session
from nexo_bridge.core import decisions as did
from nexo_bridge.core.claims import accepted, received, refs
from nexo_bridge.core.exchange import Exchange
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.sameness import Claim
from nexo_bridge.core.signals import Command, Forget, Journal, Reply
from nexo_bridge.errors import Refusal, RepeatMismatch
from nexo_bridge.policy import Policy


class Verdicts:
    """Says them. Its methods yield the commands to carry out, in order.

    Attributes:
        policy: the one in force.
    """

    def __init__(self, policy: Policy, replies: Replies) -> None:
        self.policy = policy
        self._replies = replies

    def repeat(self, stamp: Stamp, claim: Claim, exchange: Exchange) -> Iterator[Command]:
        """The stored answer, byte for byte; the platform is not called."""
        settled = exchange.settled
        if settled is None:
            # Open on disk and not in hand: another reading of the journal is on its way.
            yield from self.turn_away(stamp, claim, FAILURES["INTERNAL"])
        elif claim.sources:
            yield Reply(
                claim.sources[-1], settled.answer.encode(), exchange.id, accepts=tuple(claim.deliveries)
            )
        else:
            yield from accepted(claim, "")

    def refuse(
        self, stamp: Stamp, claim: Claim, refusal: Refusal, session: Session | None = None
    ) -> Iterator[Command]:
        """``refusal`` is the answer, as ``refuse_as`` has it."""
        mismatch = isinstance(refusal, RepeatMismatch)
        yield from self.refuse_as(
            stamp, claim, of_refusal(refusal), session, at=refusal.at, mismatch=mismatch
        )

    def refuse_as(
        self,
        stamp: Stamp,
        claim: Claim,
        failure: Failure,
        session: Session | None,
        *,
        at: str = "",
        mismatch: bool = False,
    ) -> Iterator[Command]:
        """A refusal is its key's settled answer: a late duplicate never starts what was told to have failed (R3)."""
        settled = self._replies.refuse(
            claim.message, claim.version, failure, self._facts(stamp, claim), at=at
        )
        yield from self.close(stamp, claim, session, settled, mismatch=mismatch)

    def close(
        self,
        stamp: Stamp,
        claim: Claim,
        session: Session | None,
        settled: did.Settled,
        *,
        mismatch: bool = False,
    ) -> Iterator[Command]:
        """An answer that needs no platform: request and answer on disk, then on the wire."""
        taken = received(claim, session, refused=True, mismatch=mismatch)
        yield Journal(did.entry(taken, stamp, claim.id, refs(claim, taken)))
        yield Journal(did.entry(settled, stamp, claim.id))
        if claim.sources:
            yield Reply(claim.sources[-1], settled.answer.encode(), claim.id, accepts=tuple(claim.deliveries))
        else:
            yield from accepted(claim, claim.id)
        yield Forget(claim.id)

    def turn_away(
        self, stamp: Stamp, claim: Claim, failure: Failure, *, again: bool = True
    ) -> Iterator[Command]:
        """Refused while nothing can be written down: said to whoever waits, and not remembered.

        What its transport will bring ``again`` is not answered: it is judged when it comes, and what the POS was told
        before would then not be so (R13).
        """
        if again and claim.deliveries:
            return
        if claim.sources:
            settled = self._replies.refuse(claim.message, claim.version, failure, self._facts(stamp, claim))
            accepts = tuple(claim.deliveries)
            yield Reply(claim.sources[-1], settled.answer.encode(), accepts=accepts)
        else:
            yield from accepted(claim, "")

    def _facts(self, stamp: Stamp, claim: Claim) -> Facts:
        reference = self.policy.reference(claim.id)
        return Facts(now=stamp.wall, reference=reference, policy=self.policy, version=claim.version)
