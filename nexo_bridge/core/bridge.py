"""The core's one door: an event in, the commands to carry out, in order. No I/O, no clock, no randomness.

A money request walks: ``_arrived`` → a ``Claim`` that reserves its key, sale and terminal → the journal is asked →
``_found`` judges it (``sameness``) → its category plans → a ``Course`` takes it to its end. What begins nothing is said
by ``Verdicts``. Everything else is served by ``Counter`` (sessions, questions, wishes), which sees the same books.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

from nexo_bridge.categories.catalogue import BY_NAME, GUARDED
from nexo_bridge.categories.conditions import FAILURES, Failure, of_refusal
from nexo_bridge.categories.plan import AnswerNow, Facts, NotStarted, Session, Steps
from nexo_bridge.core import decisions as did
from nexo_bridge.core import keys, sameness
from nexo_bridge.core.books import Books
from nexo_bridge.core.claims import accepted, received, refs
from nexo_bridge.core.counter import Counter
from nexo_bridge.core.course import Course
from nexo_bridge.core.exchange import Exchange, State, advance, fold
from nexo_bridge.core.journal import History, Stamp
from nexo_bridge.core.news import News
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.resolution import resolve
from nexo_bridge.core.sameness import Claim
from nexo_bridge.core.sessions import session_in
from nexo_bridge.core.signals import (
    AlarmRang,
    Arrived,
    Command,
    Event,
    Found,
    Journal,
    JournalBroke,
    Lookup,
    PlatformAnswered,
    PlatformEvent,
    PosGone,
    Raise,
    Reconfigured,
    ResolveAsked,
    Started,
    Stopping,
    Unreadable,
    Written,
    deliveries,
)
from nexo_bridge.core.source import Source
from nexo_bridge.core.verdicts import Verdicts
from nexo_bridge.errors import NotLoggedIn, Refusal, UnknownTerminal
from nexo_bridge.nexo.elements import Version
from nexo_bridge.policy import Policy


class StoppingError(Refusal):
    """The process is about to end and begins nothing new."""

    condition = "Busy"
    code = "NB-343"
    retry = "yes"


class Bridge:
    """Decides. Feed it every event once, in order, and carry out what it says."""

    def __init__(self, policy: Policy, replies: Replies) -> None:
        self._policy = policy
        self._replies = replies
        self._books = Books()
        self._counter = Counter(policy, replies, self._books)
        self._news = News(self._books)
        self._verdicts = Verdicts(policy, replies)

    def handle(self, stamp: Stamp, event: Event) -> list[Command]:
        """Everything that follows from ``event``."""
        return list(self._follow(stamp, event))

    @property
    def unresolved(self) -> int:
        """How many exchanges have no outcome yet, claims included."""
        return len(self._books.claims) + len(self._books.unresolved())

    @property
    def parked(self) -> int:
        """How many of them nobody waits for any more."""
        return sum(course.exchange.parked for course in self._books.unresolved())

    @property
    def waited_for(self) -> bool:
        """Whether somebody waits for an outcome: more is unresolved than parked. Asked after every event."""
        return bool(self._books.claims) or any(
            course.exchange.unresolved and not course.exchange.parked
            for course in self._books.courses.values()
        )

    @property
    def broken(self) -> bool:
        """Whether the journal cannot be written, so that no payment is taken."""
        return self._books.broken

    def terminals(self) -> tuple[str, ...]:
        """POIIDs served."""
        return tuple(self._policy.terminals)

    def logged_in(self, poi_id: str) -> tuple[str, ...]:
        """SaleIDs with a session on a terminal."""
        return self._books.sessions.logged_in(poi_id)

    def in_hand(self) -> list[dict[str, Any]]:
        """Every unresolved exchange, as people may see it."""
        return [course.exchange.shown() for course in self._books.unresolved()]

    def version_of(self, sale_id: str, poi_id: str) -> Version | None:
        """The protocol version a pair speaks in its session."""
        session = self._books.sessions.get(sale_id, poi_id)
        return session.version if session else None

    def _follow(self, stamp: Stamp, event: Event) -> Iterator[Command]:
        match event:
            case Arrived():
                yield from self._arrived(stamp, event)
            case Unreadable():
                yield from self._counter.unreadable(stamp, event)
            case Found():
                if event.exchange in self._books.claims:
                    yield from self._found(stamp, event)
                elif event.exchange.startswith("N"):
                    yield from self._news.found(stamp, event)
                else:
                    yield from self._counter.found(stamp, event)
            case PlatformEvent():
                yield from self._news.told(stamp, event)
            case PlatformAnswered():
                course = self._books.courses.get(event.exchange)
                if course is None:
                    yield from self._counter.platform_answered(stamp, event)
                elif not self._books.broken:
                    yield from course.answered(stamp, event.call, event.outcome)
                    self._books.tidy(course)
            case AlarmRang():
                course = self._books.courses.get(event.exchange)
                if course is None:
                    yield from self._counter.rang(stamp, event)
                elif not self._books.broken:
                    yield from course.rang(stamp, event.alarm)
                    self._books.tidy(course)
            case Written():
                yield from self._written(stamp, event)
            case PosGone():
                yield from self._books.forget_source(event.source)
            case JournalBroke():
                yield from self._broke(event)
            case Started():
                yield from self._started(stamp, event)
            case ResolveAsked():
                yield from resolve(stamp, event, self._books)
            case Reconfigured():
                self._reconfigure(event.policy)
            case Stopping():
                self._books.stopping = True
            case _:
                assert_never(event)

    def _reconfigure(self, policy: Policy) -> None:
        """From here on under another policy; an exchange keeps its deadlines' alarms, and what was asked."""
        self._policy = policy
        self._counter.policy = policy
        self._verdicts.policy = policy
        for course in self._books.courses.values():
            course.policy = policy

    # -- a money request -----------------------------------------------------------------------------------------

    def _arrived(self, stamp: Stamp, event: Arrived) -> Iterator[Command]:
        header = event.message.header
        if header.message_category not in GUARDED or event.message.kind == "response":
            yield from self._counter.arrived(stamp, event)
            return
        claim = Claim(
            id=f"X{stamp.number}",
            message=event.message,
            version=event.version,
            digest=event.digest,
            received_at=stamp.wall,
            key=did.key_of(header),
            sources=[event.source] if event.present else [],
            room=event.room,
            deliveries=list(deliveries(stamp.number, event)),
            refused=event.refused,
            tolerated=event.tolerated,
        )
        twin = self._books.same_key(claim.key)
        if twin is not None:
            yield from self._meets(stamp, claim, twin, event)
        elif not event.present:
            # Its connection is gone: a money request nobody waits for is not started (R3).
            yield from accepted(claim, "")
        else:
            self._books.claims[claim.id] = claim
            yield Lookup(claim.id, sameness.queries(claim, stamp.wall - self._policy.keys_kept))

    def _meets(self, stamp: Stamp, claim: Claim, twin: Claim | Course, event: Arrived) -> Iterator[Command]:
        """A request whose key is in hand: the same body joins, another one is refused."""
        digest = twin.digest if isinstance(twin, Claim) else twin.exchange.received.digest
        if digest == claim.digest:
            if isinstance(twin, Claim):
                twin.sources += claim.sources
                twin.deliveries += claim.deliveries  # acknowledged with the first: nothing is on disk yet
                return
            if event.present:
                yield from twin.join(stamp, event.source, journal=not self._books.broken)
            yield from accepted(claim, twin.exchange.id)
        elif self._books.broken:
            yield from self._verdicts.turn_away(stamp, claim, of_refusal(sameness.mismatch(claim)))
        else:
            yield from self._verdicts.refuse(stamp, claim, sameness.mismatch(claim))

    def _found(self, stamp: Stamp, event: Found) -> Iterator[Command]:
        claim = self._books.claims.pop(event.exchange)
        if event.results is None:
            yield from self._verdicts.turn_away(stamp, claim, FAILURES["JOURNAL"])
            return
        session = self._books.sessions.get(claim.sale_id, claim.poi_id)
        same, by_key, *rest = (_folded(histories) for histories in event.results)
        by_sale = rest[0] if rest else []
        try:
            repeated = sameness.repeat_of(claim, same, by_key, session.id if session else "")
            if repeated is not None:
                yield from self._verdicts.repeat(
                    stamp, claim, repeated
                )  # also while nothing new can be written (I6)
            elif self._books.broken or not claim.room:
                yield from self._verdicts.turn_away(
                    stamp, claim, FAILURES["JOURNAL"], again=self._books.broken
                )
            elif claim.refused is not None:
                failure = Failure(
                    claim.refused.condition, claim.refused.code, claim.refused.retry, claim.refused.text
                )
                yield from self._verdicts.refuse_as(stamp, claim, failure, session, at=claim.refused.at)
            elif claim.sources:
                self._admit(claim, session, by_sale)
                yield from self._start(stamp, claim, session)
            else:
                yield from accepted(claim, "")
        except Refusal as refusal:
            if self._books.broken:
                yield from self._verdicts.turn_away(stamp, claim, of_refusal(refusal))
            else:
                yield from self._verdicts.refuse(stamp, claim, refusal, session)

    def _admit(self, claim: Claim, session: Session | None, by_sale: list[Exchange]) -> None:
        """Refuse what must not begin: unknown terminal, no session, a sale that is paid or running, a busy terminal."""
        if claim.poi_id not in self._policy.terminals:
            raise UnknownTerminal(f"Terminal {claim.poi_id} is not configured here.")
        if session is None and self._policy.login_required:
            raise NotLoggedIn("Please log in first. Then send it again with a new ServiceID.")
        if self._books.stopping:
            raise StoppingError(
                "The bridge is shutting down. Send it again with a new ServiceID in a minute."
            )
        policy = self._policy.sale(claim.sale_id)
        running = self._books.same_sale(claim)
        if running is not None and policy.repeat_sale == "refuse":
            raise sameness.running_sale(running)
        sameness.refuse_paid_sale(by_sale, policy)
        holder = self._books.holder(claim.poi_id, claim)
        if holder is not None:
            raise sameness.busy(holder.service_id, holder.sale_id, policy)

    def _start(self, stamp: Stamp, claim: Claim, session: Session | None) -> Iterator[Command]:
        category = BY_NAME.get(claim.message.header.message_category)
        if category is None:
            yield from self._verdicts.refuse_as(stamp, claim, FAILURES["UNAVAILABLE"], session)
            return
        terminal = self._policy.terminals[claim.poi_id]
        key = self._key(claim, session, terminal.serial)
        facts = Facts(
            now=stamp.wall,
            reference=self._policy.reference(claim.id),
            policy=self._policy,
            terminal=terminal,
            session=session,
            key=key,
            version=claim.version,
        )
        plan = category.plan(claim.message, claim.message.body, facts)
        match plan:
            case Steps(asks=(ask,)):
                taken = received(claim, session)
                exchange = advance(None, taken, id=claim.id, wall=claim.received_at)
                course = Course(exchange, self._policy, self._replies, session, claim.sources)
                yield Journal(did.entry(taken, stamp, claim.id, refs(claim, taken)))
                yield from accepted(claim, claim.id)
                self._books.courses[claim.id] = course
                if claim.aborted is not None:
                    yield from course.wish(stamp, "pos", claim.aborted)
                    yield from course.settle(stamp, NotStarted("abort"))
                else:
                    yield from course.begin(stamp, ask, claim.poi_id, terminal.serial, key)
                self._books.tidy(course)
            case AnswerNow(body=body, status=status):
                settled = self._replies.answer(claim.message, claim.version, body, status)
                yield from self._verdicts.close(stamp, claim, session, settled)
            case _:
                raise AssertionError(f"{category.name} planned {type(plan).__name__}, which moves no money")

    def _key(self, claim: Claim, session: Session | None, serial: str) -> str:
        return keys.idempotency_key(
            installation=self._policy.installation,
            environment=self._policy.environment,
            serial=serial,
            sale_id=claim.sale_id,
            poi_id=claim.poi_id,
            category=claim.message.header.message_category,
            service_id=claim.service_id,
            digest=claim.digest,
            session="" if claim.has_sale or session is None else session.id,
            role="sale",
            n=0,
        )

    # -- the process and its disk --------------------------------------------------------------------------------

    def _written(self, stamp: Stamp, event: Written) -> Iterator[Command]:
        course = self._books.courses.get(event.exchange)
        if course is not None and not self._books.broken:
            yield from course.delivered(stamp)
            self._books.tidy(course)

    def _broke(self, event: JournalBroke) -> Iterator[Command]:
        """Nothing in memory can be trusted to be on disk: stop acting on it until it is read again."""
        self._books.broken = True
        yield Raise("", "JOURNAL", event.reason)

    def _started(self, stamp: Stamp, event: Started) -> Iterator[Command]:
        """Begin from what is on disk; also after a broken journal, and any number of times (I10)."""
        waiting = self._books.reset()
        self._news.forget()
        for history in event.open:
            session = session_in(history)
            if session is not None:
                self._books.sessions.put(session)
        for history in event.open:
            if session_in(history) is None:
                yield from self._take_up(stamp, fold(history), waiting.sources.get(history.exchange, []))
        for exchange, service_id in waiting.wishes:
            course = self._books.courses.get(exchange)
            if course is not None and course.exchange.unresolved:
                yield from course.wish(stamp, "pos", service_id)

    def _take_up(self, stamp: Stamp, exchange: Exchange, sources: list[Source]) -> Iterator[Command]:
        received = exchange.received
        session = self._books.sessions.get(received.sale_id, received.poi_id)
        if not sources and exchange.owed is not None:
            sources = [exchange.owed]
        course = Course(exchange, self._policy, self._replies, session, sources)
        self._books.courses[exchange.id] = course
        if not exchange.unresolved:
            yield from course.deliver(stamp)
        elif exchange.state is State.RECEIVED:
            yield from course.settle(stamp, NotStarted("abort" if exchange.wished else "restart"))
        else:
            yield from course.resume(stamp)
        self._books.tidy(course)


def _folded(histories: tuple[History, ...]) -> list[Exchange]:
    return [fold(history) for history in histories]
