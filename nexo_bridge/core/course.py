"""The course of one unresolved money exchange, from its first call to its settlement (rules R4 to R6).

A ``Course`` holds the exchange (what is on disk) and what only this process knows: calls under way, pauses, who waits
for the answer. It may be thrown away at any moment and made again from the journal with ``resume``; whatever it knew
beyond the journal is then counted as lost, which is always safe.

Four questions keep it going, one call of each kind at a time:

    look    what does the platform say?      by transactionId, or by our key while that is unknown
    fence   was it ever created?             decided when looking finds nothing; also stops what is pending
    stop    please end it                    after a wish, once the transactionId is known
    status  is the terminal free?            only while parked
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, assert_never

from nexo_bridge.categories.plan import Ask, Ending, Facts, NeverCreated, Session, Shown
from nexo_bridge.core import calls, discrepancy
from nexo_bridge.core import decisions as did
from nexo_bridge.core.belief import (
    LONGEST_PARKED_PAUSE,
    LONGEST_PAUSE,
    Fence,
    Pace,
    Stop,
    disagreement,
    overcharge,
)
from nexo_bridge.core.calls import Purpose, UnderWay
from nexo_bridge.core.decisions import Decision, Refs
from nexo_bridge.core.exchange import Exchange, advance, ends, facts_of
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.screens import Screens
from nexo_bridge.core.signals import CallPlatform, Command, Forget, Journal, Raise, Reply, WakeAt
from nexo_bridge.core.source import Source
from nexo_bridge.policy import Policy
from nexo_bridge.ppaas.models import (
    Absent,
    Accepted,
    Approved,
    Declined,
    NotSent,
    Outcome,
    Pending,
    TerminalIs,
    Transaction,
)
from nexo_bridge.ppaas.operations import Call

PATIENCE = 3
"""Looks by key that must find nothing before a fence is decided: replicas lag, and a fence ends what is pending."""


@dataclass(slots=True)
class Course:
    """One unresolved exchange under way. Its methods yield the commands to carry out, in order."""

    exchange: Exchange
    policy: Policy
    replies: Replies
    session: Session | None = None
    sources: list[Source] = field(default_factory=list)  # who waits, newest last
    terminal_idle: bool = False
    _calls: dict[str, UnderWay] = field(default_factory=dict)
    _pace: Pace = field(default_factory=Pace)
    _absent: int = 0
    _made: int = 0
    _stop: Stop = field(default_factory=Stop)
    _fence: Fence = field(default_factory=Fence)
    _sequence: int = 0  # of the newest event heard
    _hinted: bool = False  # an event said more than it may decide: looks do not wait for the next one
    _screens: Screens = field(default_factory=Screens)  # shown and alarms raised, once each
    _unwritten: bool = False  # settled, and the answer is on its way to a connection
    _watching: bool = False  # settled after a stop, and one late look is still to come

    # -- what begins it ------------------------------------------------------------------------------------------

    def begin(self, stamp: Stamp, ask: Ask, poiid: str, serial: str, key: str) -> Iterator[Command]:
        """Ask the platform: the journal first, then the bytes."""
        asking = calls.asking(ask, poiid, serial, key)
        yield self._decide(stamp, asking, (("asked", key),))
        yield self._call(stamp, Purpose.CREATE, calls.create(asking, ask.body))
        yield from self._deadlines(stamp)

    def resume(self, stamp: Stamp) -> Iterator[Command]:
        """Take up after a restart: only questions; the create is never sent again."""
        if self.exchange.wished and self.exchange.transaction_id:
            self._stop = Stop.lost(stamp.mono)
        yield from self._deadlines(stamp)
        if self.exchange.fenced and not self.exchange.transaction_id:
            yield from self._send_fence(stamp)  # a lost fence is simply sent again (R4)
        yield from self._look(stamp)

    def _deadlines(self, stamp: Stamp) -> Iterator[Command]:
        """What is left of each, counted from the request; a clock set back meanwhile prolongs none (F39)."""
        deadlines = self.policy.sale(self.exchange.received.sale_id).deadlines
        begun = min(self.exchange.received_at, stamp.wall)
        if not self.exchange.wished:
            yield WakeAt(begun + deadlines.customer_time, self.exchange.id, "customer_time")
        if not self.exchange.parked:
            yield WakeAt(begun + deadlines.answer_by, self.exchange.id, "answer_by")

    # -- what happens to it --------------------------------------------------------------------------------------

    def rang(self, stamp: Stamp, alarm: str) -> Iterator[Command]:
        """An alarm this course asked for."""
        match alarm:
            case "look":
                yield from self._look(stamp)
            case "fence" if self._unnamed:
                yield from self._send_fence(stamp)
            case "customer_time" if self.exchange.unresolved:
                yield from self.wish(stamp, "deadline")
            case "answer_by" if self.exchange.unresolved:
                yield from self._park(stamp)
            case _:
                pass

    def wish(self, stamp: Stamp, by: Literal["pos", "deadline"], service_id: str = "") -> Iterator[Command]:
        """Somebody wants it stopped. Two wishes are one."""
        if self.exchange.wished:
            return
        yield self._decide(stamp, did.Wished(by=by, service_id=service_id))
        yield from self._pursue(stamp)

    def answered(self, stamp: Stamp, call_id: str, outcome: Outcome) -> Iterator[Command]:
        """A platform call ended. Calls of an earlier life of this exchange are unknown here and mean nothing."""
        call = self._calls.pop(call_id, None)
        if call is None:
            return
        if not self.exchange.unresolved:
            yield from self._late_fact(stamp, call, outcome)
            return
        match call.purpose:
            case Purpose.CREATE:
                yield from self._created(stamp, call, outcome)
            case Purpose.LOOK:
                yield from self._looked(stamp, call, outcome)
            case Purpose.FENCE:
                yield from self._fence_answered(stamp, outcome)
            case Purpose.STOP:
                yield from self._stop_answered(stamp, outcome)
            case Purpose.STATUS:
                self.terminal_idle = isinstance(outcome, TerminalIs) and outcome.state == "IDLE"
            case Purpose.SHOW:
                pass  # a screen that cannot be reached never disturbs a payment
            case _:
                assert_never(call.purpose)

    def told(
        self, stamp: Stamp, sequence: int, outcome: Approved | Declined | Pending, *, settles: bool
    ) -> Iterator[Command]:
        """The platform told something unasked (R7). What does not fit is a read's to sort out."""
        if not self.exchange.unresolved:
            yield from self._contradicted(stamp, outcome)
            yield from self._leave()
            return
        stale = isinstance(outcome, Pending) and sequence < self._sequence
        if (
            self.exchange.asking is None
            or stale
            or disagreement(self.exchange, outcome.transaction) is not None
        ):
            return
        self._sequence = max(sequence, self._sequence)
        if self.exchange.wished or not (settles or isinstance(outcome, Pending)):
            self._pace = Pace()
            self._hinted = True
            yield from self._look(stamp)
        else:
            yield from self._heard(stamp, UnderWay(Purpose.LOOK, stamp.mono), outcome)

    def resolve(self, stamp: Stamp, *, paid: bool, by: str, why: str, ending: Ending) -> Iterator[Command]:
        """A person decided (R12): their word first, then the settlement it leads to."""
        yield self._decide(stamp, did.Resolved(paid=paid, by=by, why=why))
        yield from self.settle(stamp, ending)

    def stop_may_act(self, stamp: Stamp) -> bool:
        """Whether a stop could still undo an approval (R6)."""
        return self._under_way(Purpose.STOP) or (
            self._stop.sent and stamp.mono < self._believable_from(stamp)
        )

    @property
    def nothing_found(self) -> bool:
        """An accepted fence after which looking found nothing."""
        return self._unnamed and self._fence.accepted is not None and self._fence.proofs > 0

    def frees_terminal(self) -> bool:
        """Whether another exchange may use the terminal beside this one (R5)."""
        named = self.exchange.transaction_id is not None or self._fence.accepted is not None
        return self.exchange.parked and named and self.terminal_idle

    # -- the create ----------------------------------------------------------------------------------------------

    def _created(self, stamp: Stamp, call: UnderWay, outcome: Outcome) -> Iterator[Command]:
        match outcome:
            case NotSent():
                yield from self.settle(stamp, outcome)
            case Approved() | Declined() | Pending():
                yield from self._heard(stamp, call, outcome)
            case _:
                if self.exchange.wished:
                    yield from self._pursue(stamp)
                yield from self._look(stamp)

    # -- looking -------------------------------------------------------------------------------------------------

    def _look(self, stamp: Stamp) -> Iterator[Command]:
        asking = self.exchange.asking
        if asking is None or self._under_way(Purpose.LOOK) or self._under_way(Purpose.CREATE):
            return
        yield self._call(stamp, Purpose.LOOK, calls.look(asking, self.exchange.transaction_id))
        if self.exchange.parked and not self._under_way(Purpose.STATUS):
            yield self._call(stamp, Purpose.STATUS, calls.status(asking))

    def _looked(self, stamp: Stamp, call: UnderWay, outcome: Outcome) -> Iterator[Command]:
        if not isinstance(outcome, Absent):
            self._fence.proofs = 0  # absences count in a row only, whatever else was heard in between (R4)
        match outcome:
            case Approved() | Declined() | Pending():
                yield from self._heard(stamp, call, outcome)
            case Absent() if self._unnamed:
                yield from self._absence(stamp, call)
            case _:
                yield self._look_later(stamp)

    def _heard(
        self, stamp: Stamp, call: UnderWay, outcome: Approved | Declined | Pending
    ) -> Iterator[Command]:
        problem = disagreement(self.exchange, outcome.transaction)
        if problem:
            yield from self._warn("FOREIGN", problem)
            yield self._look_later(stamp)
            return
        if self._unnamed:
            yield self._acknowledge(stamp, outcome.transaction)
        match outcome:
            case Declined():
                yield from self.settle(stamp, outcome)
            case Pending():
                yield from self._show(stamp, outcome)
                if self.exchange.wished and (not self._stop.sent or self._stop.wanted):
                    yield from self._send_stop(stamp)
                yield self._look_later(stamp)
            case Approved():
                yield from self._approved(stamp, call, outcome)
            case _:
                assert_never(outcome)

    def _acknowledge(self, stamp: Stamp, transaction: Transaction) -> Journal:
        """Its name at the platform is known; a late event finds the exchange by it."""
        self._pace = Pace()
        named = transaction.transaction_id
        return self._decide(stamp, did.Acknowledged(transaction_id=named), (("transaction", named),))

    def _approved(self, stamp: Stamp, call: UnderWay, outcome: Approved) -> Iterator[Command]:
        problem = overcharge(self._asking, outcome.transaction)
        if problem:
            yield from self._warn("AMOUNT", problem)
            yield self._look_later(stamp)
        elif self._under_way(Purpose.STOP):
            yield self._look_later(stamp)  # the stop may still undo it: its answer triggers the next look
        elif self._stop.sent and call.begun < self._believable_from(stamp):
            yield self._look_later(stamp, self._believable_from(stamp) - stamp.mono)
        else:
            yield from self.settle(stamp, outcome)

    def _believable_from(self, stamp: Stamp) -> float:
        return self._stop.believable_from(stamp.mono, self.policy.certainty.after)

    def _absence(self, stamp: Stamp, call: UnderWay) -> Iterator[Command]:
        """Our key is unknown to the platform: rule R4 says when that proves anything."""
        certainty = self.policy.certainty
        provable = self._fence.provable_from(certainty)
        if provable is not None:
            if call.begun < provable:
                yield self._look_later(stamp, provable - stamp.mono)
                return
            self._fence.proofs += 1
            if self._fence.proofs >= certainty.reads:
                yield from self.settle(stamp, NeverCreated())
            else:
                yield self._look_later(stamp, certainty.pause)
            return
        self._absent += 1
        if not self.exchange.fenced and (self._absent >= PATIENCE or self.exchange.wished):
            yield from self._send_fence(stamp)
        yield self._look_later(stamp)

    def _look_later(self, stamp: Stamp, pause: float | None = None) -> WakeAt:
        if pause is None:
            pause = self._pace.next(LONGEST_PARKED_PAUSE if self.exchange.parked else LONGEST_PAUSE)
            pressing = self._unnamed or self.exchange.wished or self.exchange.parked or self._hinted
            terminal = self.policy.terminals.get(self.exchange.received.poi_id)
            if terminal is not None and not pressing:  # looks leave it to the terminal's events
                pause = max(pause, terminal.watchdog)
        return WakeAt(stamp.wall + max(pause, 0.0), self.exchange.id, "look")

    # -- fencing -------------------------------------------------------------------------------------------------

    def _send_fence(self, stamp: Stamp) -> Iterator[Command]:
        asking = self.exchange.asking
        if asking is None or not self.policy.certainty.fence or self._under_way(Purpose.FENCE):
            return
        if not self.exchange.fenced:
            yield self._decide(stamp, did.Fenced())
        yield self._call(stamp, Purpose.FENCE, calls.fence(asking))

    def _fence_answered(self, stamp: Stamp, outcome: Outcome) -> Iterator[Command]:
        if not self._unnamed:
            return  # a look found it meanwhile, and looks decide
        match outcome:
            case Absent():
                yield from self.settle(stamp, NeverCreated())
            case Approved() | Declined() | Pending():
                problem = disagreement(self.exchange, outcome.transaction)
                if problem:
                    yield from self._warn("FOREIGN", problem)
                else:
                    yield self._acknowledge(stamp, outcome.transaction)
                yield from self._look(stamp)
            case Accepted():
                self._fence.taken(stamp.mono)
                yield self._look_later(stamp, self.policy.certainty.after)
            case _:
                if isinstance(outcome, NotSent) and outcome.status in {404, 405}:
                    yield from self._warn(
                        "NO_FENCE", "the platform has no fencing cancel; set platform.fence = false"
                    )
                yield WakeAt(stamp.wall + self._fence.next_pause(), self.exchange.id, "fence")

    # -- stopping ------------------------------------------------------------------------------------------------

    def _pursue(self, stamp: Stamp) -> Iterator[Command]:
        if self._under_way(Purpose.CREATE) or self.exchange.asking is None:
            return  # done when its answer names the transaction
        if self._unnamed:
            if not self.exchange.fenced:
                yield from self._send_fence(stamp)
        else:
            yield from self._send_stop(stamp)

    def _send_stop(self, stamp: Stamp) -> Iterator[Command]:
        named = self.exchange.transaction_id
        assert named is not None, "what has no name is fenced, not stopped"
        if not self._stop.sent:
            self._pace = Pace()
        self._stop.sent, self._stop.wanted = True, False
        yield self._call(stamp, Purpose.STOP, calls.stop(self._asking, named))

    def _stop_answered(self, stamp: Stamp, outcome: Outcome) -> Iterator[Command]:
        self._stop.heard(outcome, self._asking.stop, stamp.mono)
        if self._stop.wanted:
            yield self._look_later(stamp)  # at once would be without a pause for as long as stops get lost
            return
        self._pace = Pace()
        yield from self._look(stamp)

    # -- time, people, the end -----------------------------------------------------------------------------------

    def _park(self, stamp: Stamp) -> Iterator[Command]:
        if self.exchange.parked:
            return
        policy = self.policy.sale(self.exchange.received.sale_id)
        provisional = bool(self.sources) and policy.on_unknown == "answer"
        yield self._decide(stamp, did.Parked(answered=provisional and self.exchange.owed is not None))
        yield Raise(self.exchange.id, "PARKED", "the time to answer passed and the outcome is unknown")
        if not self.sources:
            return
        yield from self._displays(stamp, self.replies.unknown_displays(self.session))
        if provisional:
            data = self.replies.provisional(self.exchange, self._facts(stamp))
            yield Reply(self.sources[-1], data, self.exchange.id)
            self.sources.clear()  # its request is answered; the outcome is fetched with TransactionStatus

    def _show(self, stamp: Stamp, pending: Pending) -> Iterator[Command]:
        if self._screens.news(pending):
            shown = self.replies.progress(self.exchange, pending, self._facts(stamp))
            yield from self._displays(stamp, shown)

    def _displays(self, stamp: Stamp, shown: Shown) -> Iterator[Command]:
        for screen in self._screens.on_terminal(shown):
            yield self._call(stamp, Purpose.SHOW, calls.display(self._asking, screen))
        if self.sources:
            yield from self._screens.on_pos(
                shown, self.exchange, self.replies, self.sources[-1], stamp.number
            )

    def settle(self, stamp: Stamp, ending: Ending) -> Iterator[Command]:
        """End it: the answer's bytes on disk, then on the wire."""
        settled = self.replies.settle(self.exchange, ending, self._facts(stamp))
        yield self._decide(stamp, settled)
        yield from self._answer()
        if self._stop.sent and isinstance(ending, Declined):
            # A stopped payment that turns out approved is a discrepancy; one late look finds it (R8).
            self._watching = True
            yield WakeAt(stamp.wall + self.policy.certainty.after, self.exchange.id, "look")
        yield from self._leave()

    def _answer(self) -> Iterator[Command]:
        if self.sources and self.exchange.settled is not None:
            self._unwritten = True
            answer = self.exchange.settled.answer.encode()
            yield Reply(self.sources[-1], answer, self.exchange.id, settles=True)

    def deliver(self, stamp: Stamp) -> Iterator[Command]:
        """Settled by an earlier process, and the answer is still owed: write it, exactly as it is stored (R11)."""
        if stamp.wall - self.exchange.received_at > self.policy.keys_kept:
            yield self._decide(stamp, did.Undelivered())
        else:
            yield from self._answer()
        yield from self._leave()

    def join(self, stamp: Stamp, source: Source, *, journal: bool) -> Iterator[Command]:
        """The same request came again: its answer goes to the newest who sent it (R11)."""
        if source in self.sources:
            self.sources.remove(source)
        self.sources.append(source)
        known = self.exchange.owed is not None and self.exchange.owed.address == source.address
        if journal and source.lasts and not known:
            yield self._decide(stamp, did.Joined(source=source))

    def delivered(self, stamp: Stamp) -> Iterator[Command]:
        """The answer was written: for diagnosis only, unless it was owed to a place that lasts."""
        self._unwritten = False
        yield self._decide(stamp, did.Delivered())
        yield from self._leave()

    def gone(self, source: Source) -> Iterator[Command]:
        """Nobody waits at ``source`` any more; the next newest gets an answer that was on its way there."""
        lost = self._unwritten and self.sources[-1:] == [source]
        if source in self.sources:
            self.sources.remove(source)
        if not self.sources:
            self._unwritten = False
        elif lost:
            yield from self._answer()
        yield from self._leave()

    def _leave(self) -> Iterator[Command]:
        if self.over:
            yield Forget(self.exchange.id)

    def _late_fact(self, stamp: Stamp, call: UnderWay, outcome: Outcome) -> Iterator[Command]:
        """After settlement no fact changes anything; one that contradicts is written down (R8)."""
        if call.purpose is not Purpose.SHOW:
            yield from self._contradicted(stamp, outcome)
        if call.purpose is Purpose.LOOK:
            self._watching = False
        yield from self._leave()

    def _contradicted(self, stamp: Stamp, outcome: Outcome) -> Iterator[Command]:
        against = discrepancy.against(self.exchange, outcome)
        if against is not None and self._screens.first(
            f"against:{against[0].status}:{against[0].authorised}"
        ):
            yield self._decide(stamp, against[0])
            yield from self._warn("DISCREPANCY", against[1])

    @property
    def over(self) -> bool:
        """Settled, and nothing under way that could still be worth hearing."""
        return not (self.exchange.unresolved or self._calls or self._unwritten or self._watching)

    @property
    def _asking(self) -> did.Asking:
        asking = self.exchange.asking
        assert asking is not None, "nothing is called or heard before it is asked"
        return asking

    @property
    def _unnamed(self) -> bool:
        return self.exchange.unresolved and self.exchange.transaction_id is None

    def _under_way(self, purpose: Purpose) -> bool:
        return any(call.purpose is purpose for call in self._calls.values())

    def _decide(self, stamp: Stamp, decision: Decision, refs: Refs = ()) -> Journal:
        self.exchange = advance(self.exchange, decision, id=self.exchange.id, wall=stamp.wall)
        over = ends(self.exchange, decision)
        return Journal(did.entry(decision, stamp, self.exchange.id, refs, ends=over))

    def _call(self, stamp: Stamp, purpose: Purpose, call: Call) -> CallPlatform:
        self._made += 1
        call_id = f"{stamp.number}.{self._made}"
        self._calls[call_id] = UnderWay(purpose, stamp.mono)
        return calls.command(self.exchange.id, call_id, call)

    def _warn(self, alarm: str, text: str) -> Iterator[Command]:
        if self._screens.first(alarm):
            yield Raise(self.exchange.id, alarm, text)

    def _facts(self, stamp: Stamp) -> Facts:
        return facts_of(self.exchange, self.policy, self.session, stamp.wall)
