"""What is served beside the money: sessions, diagnoses, questions about earlier requests, wishes to stop.

None of it is ever Busy but Logout, none of it holds a terminal, and most of it depends on no journal entry, so it goes
on while the journal is broken.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from nexo_bridge.categories import failures, transaction_status
from nexo_bridge.categories.catalogue import BY_NAME
from nexo_bridge.categories.conditions import FAILURES, Failure, of_refusal
from nexo_bridge.categories.plan import (
    AnswerNow,
    Category,
    CloseSession,
    Facts,
    Inquire,
    OpenSession,
    ReportOn,
    Session,
    StopExchange,
)
from nexo_bridge.core import decisions as did
from nexo_bridge.core import sameness
from nexo_bridge.core.books import Books
from nexo_bridge.core.exchange import fold
from nexo_bridge.core.journal import Query, Stamp
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.sameness import Claim
from nexo_bridge.core.signals import (
    Accept,
    AlarmRang,
    Arrived,
    CallPlatform,
    Command,
    Delivery,
    Forget,
    Found,
    Journal,
    Lookup,
    PlatformAnswered,
    Reply,
    Unreadable,
    WakeAt,
    deliveries,
)
from nexo_bridge.core.source import Source
from nexo_bridge.errors import NotLoggedIn, Refusal, UnknownTerminal
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.codec import InvalidOutput
from nexo_bridge.nexo.elements import Element, Version
from nexo_bridge.nexo.messages import Message, MessageReference
from nexo_bridge.policy import Policy
from nexo_bridge.ppaas.models import Outcome, Unknown
from nexo_bridge.redaction import Secret

INQUIRY_TIME = 10.0
"""Seconds a Diagnosis waits for terminal and host before it answers with what it heard."""


@dataclass(slots=True)
class _Question:
    """A request that waits for the journal or the platform; it moves nothing."""

    message: Message
    version: Version
    source: Source
    key: str
    category: Category[Any, Any]
    reference: MessageReference | None = None
    stop: bool = False
    poi_id: str = ""
    accepts: tuple[Delivery, ...] = ()  # what brought it, acknowledged with its answer
    heard: dict[str, Outcome] = field(default_factory=dict)
    calls: dict[str, str] = field(default_factory=dict)  # call -> operation


class Counter:
    """Serves every category outside rule R3's table."""

    def __init__(self, policy: Policy, replies: Replies, books: Books) -> None:
        self.policy = policy
        self._replies = replies
        self._books = books
        self._questions: dict[str, _Question] = {}

    # -- what comes in -------------------------------------------------------------------------------------------

    def arrived(self, stamp: Stamp, event: Arrived) -> Iterator[Command]:
        """A request of a category that moves no money, or an answer of the POS to a display of ours."""
        owed = deliveries(stamp.number, event)
        commands = list(self._taken(stamp, event))
        question = self._questions.get(f"Q{stamp.number}") or (None if commands else self._same(event))
        if owed and question is not None and not question.calls:
            question.accepts, owed = question.accepts + owed, ()  # the journal's answer is a moment away
        yield from _acknowledging(commands, owed)

    def _taken(self, stamp: Stamp, event: Arrived) -> Iterator[Command]:
        message = event.message
        header = message.header
        if message.kind == "response" or header.message_class == "Event":
            return  # our displays want no answer: late, doubled or foreign ones disturb nothing
        category = BY_NAME.get(header.message_category)
        refused = event.refused
        try:
            if refused is not None:
                failure = Failure(refused.condition, refused.code, refused.retry, refused.text)
                yield from self._fail(stamp, event, failure, at=refused.at)
            elif category is None:
                yield from self._fail(stamp, event, FAILURES["UNAVAILABLE"])
            else:
                yield from self._serve(stamp, event, category)
        except Refusal as refusal:
            yield from self._fail(stamp, event, of_refusal(refusal), at=refusal.at)

    def _serve(self, stamp: Stamp, event: Arrived, category: Category[Any, Any]) -> Iterator[Command]:
        message, header = event.message, event.message.header
        if not category.overlaps or category.name == "Login":
            self._terminal(header.poi_id)
        session = self._books.sessions.get(header.sale_id, header.poi_id)
        if session is None and not category.sessionless:
            raise NotLoggedIn("Please log in first.")
        facts = self._facts(stamp, event.version, header.poi_id, session)
        match category.plan(message, message.body, facts):
            case AnswerNow(body=body):
                yield Reply(event.source, self._replies.response(header, event.version, body))
            case OpenSession(body=body, capabilities=capabilities):
                yield from self._open(stamp, event, session, body, capabilities)
            case CloseSession(body=body):
                yield from self._close(stamp, event, session, body)
            case Inquire(operations=operations, poi_id=poi_id):
                yield from self._inquire(stamp, event, category, operations, poi_id)
            case ReportOn(reference=reference):
                yield from self._report(stamp, event, category, reference)
            case StopExchange(reference=reference):
                yield from self._stop(stamp, event, category, reference)
            case other:
                raise AssertionError(
                    f"{category.name} planned {type(other).__name__}, which is not served here"
                )

    def unreadable(self, stamp: Stamp, event: Unreadable) -> Iterator[Command]:
        """Answer in kind where the header could be read, else with an Event ``Reject`` (nexo Event)."""
        yield from _acknowledging(self._rejected(stamp, event), deliveries(stamp.number, event))

    def _rejected(self, stamp: Stamp, event: Unreadable) -> Iterator[Command]:
        header = event.header
        if header.kind == "response" or header.message_class == "Event":
            return
        failure = Failure(event.condition, event.code, event.retry, event.text)
        facts = self._facts(stamp, event.version, header.poi_id, None)
        body = None
        if event.answerable:
            body = failures.failed(header.category, failure, facts, seen=event.sale_transaction, at=event.at)
        if body is not None:
            try:
                asked = nexo.MessageHeader(
                    message_class=header.message_class,
                    message_category=header.category,
                    message_type="Request",
                    service_id=header.service_id,
                    device_id=header.device_id,
                    sale_id=header.sale_id,
                    poi_id=header.poi_id,
                )
                yield Reply(event.source, self._replies.response(asked, event.version, body))
                return
            except InvalidOutput:
                pass  # its ids do not fit a header: they cannot be echoed, so nothing but an Event is left
        details = failures.response(failure, at=event.at).additional_response or ""
        ids = (header.sale_id, header.poi_id)
        yield self._event(stamp, event.source, "Reject", details, facts, ids=ids, rejected=event.start)

    def found(self, stamp: Stamp, event: Found) -> Iterator[Command]:
        """The journal's word on an earlier request."""
        question = self._questions.pop(event.exchange, None)
        if question is not None:
            yield from _acknowledging(self._reported(stamp, event, question), question.accepts)

    def _reported(self, stamp: Stamp, event: Found, question: _Question) -> Iterator[Command]:
        header = question.message.header
        facts = self._facts(stamp, question.version, header.poi_id, None)
        if event.results is None:
            if not question.stop:
                yield self._failed(question, facts, FAILURES["INTERNAL"])
            return
        exchanges = [fold(history) for history in event.results[0]]
        wanted = question.reference.message_category if question.reference else None
        known = next((one for one in exchanges if wanted in {None, one.received.category}), None)
        if question.stop:
            yield self._too_late(stamp, question, facts, known is not None and known.settled is not None)
        elif known is None or known.received.category not in transaction_status.REPEATABLE:
            yield self._failed(question, facts, FAILURES["NOT_FOUND"])
        elif known.settled is None:
            yield self._failed(question, facts, FAILURES["IN_PROGRESS"])
        else:
            stored = self._replies.stored(known.settled, known.received.version)
            reference = MessageReference(
                message_category=known.received.category,
                service_id=known.received.service_id,
                sale_id=known.received.sale_id,
                poi_id=known.received.poi_id,
            )
            body = transaction_status.found(reference, stored.header, stored.body)
            yield Reply(question.source, self._replies.response(header, question.version, body), known.id)

    def platform_answered(self, stamp: Stamp, event: PlatformAnswered) -> Iterator[Command]:
        """An inquiry's call ended."""
        question = self._questions.get(event.exchange)
        operation = question.calls.pop(event.call, None) if question else None
        if question is None or operation is None:
            return
        question.heard[operation] = event.outcome
        if not question.calls:
            yield from self._tell(stamp, event.exchange, question)

    def rang(self, stamp: Stamp, event: AlarmRang) -> Iterator[Command]:
        """An inquiry waited long enough."""
        question = self._questions.get(event.exchange)
        if question is not None and question.calls:
            for operation in question.calls.values():
                question.heard[operation] = Unknown(reason="no answer in time")
            yield from self._tell(stamp, event.exchange, question)

    # -- sessions ------------------------------------------------------------------------------------------------

    def _open(
        self,
        stamp: Stamp,
        event: Arrived,
        old: Session | None,
        body: Element,
        capabilities: tuple[str, ...],
    ) -> Iterator[Command]:
        self._need_journal()
        header = event.message.header
        session = Session(f"S{stamp.number}", header.sale_id, header.poi_id, event.version, capabilities)
        if old is not None:
            yield Journal(did.entry(did.LoggedOut(replaced=True), stamp, old.id))
            yield Forget(old.id)
        began = did.LoggedIn(
            sale_id=session.sale_id,
            poi_id=session.poi_id,
            version=session.version,
            capabilities=capabilities,
            tolerated=event.tolerated,
        )
        yield Journal(did.entry(began, stamp, session.id))
        self._books.sessions.put(session)
        yield Reply(event.source, self._replies.response(header, event.version, body), session.id)

    def _close(
        self, stamp: Stamp, event: Arrived, session: Session | None, body: Element
    ) -> Iterator[Command]:
        assert session is not None, "Logout needs a session"
        self._need_journal()
        holder = self._books.holder(session.poi_id)
        if holder is not None:
            raise sameness.busy(holder.service_id, holder.sale_id, self.policy.sale(session.sale_id))
        yield Journal(did.entry(did.LoggedOut(), stamp, session.id))
        self._books.sessions.drop(session)
        yield Reply(
            event.source, self._replies.response(event.message.header, event.version, body), session.id
        )
        yield Forget(session.id)

    def _need_journal(self) -> None:
        if self._books.broken:
            raise JournalDownError(FAILURES["JOURNAL"].text)

    # -- questions -----------------------------------------------------------------------------------------------

    def _ask(self, event: Arrived, category: Category[Any, Any]) -> _Question | None:
        """A question of its own, or None when the same one is already under way: it joins (R3)."""
        question = self._same(event)
        if question is None:
            key = did.key_of(event.message.header)
            return _Question(event.message, event.version, event.source, key, category)
        question.source = event.source
        return None

    def _same(self, event: Arrived) -> _Question | None:
        """The question under way that is this one, too."""
        key, body = did.key_of(event.message.header), event.message.body
        same = (one for one in self._questions.values() if one.key == key and one.message.body == body)
        return next(same, None)

    def _inquire(
        self,
        stamp: Stamp,
        event: Arrived,
        category: Category[Any, Any],
        operations: tuple[str, ...],
        poi_id: str,
    ) -> Iterator[Command]:
        self._terminal(poi_id)
        question = self._ask(event, category)
        if question is None:
            return
        id = f"Q{stamp.number}"  # noqa: A001 - what it is called everywhere
        self._questions[id] = question
        question.poi_id = poi_id
        for n, operation in enumerate(operations):
            question.calls[f"{stamp.number}.{n}"] = operation
            yield CallPlatform(id, f"{stamp.number}.{n}", poi_id, operation)
        yield WakeAt(stamp.wall + INQUIRY_TIME, id, "inquiry")

    def _tell(self, stamp: Stamp, id: str, question: _Question) -> Iterator[Command]:  # noqa: A002 - see above
        del self._questions[id]
        assert question.category.report is not None, "only categories that report are asked about"
        facts = self._facts(stamp, question.version, question.poi_id, None)
        body = question.category.report(question.message.body, tuple(question.heard.items()), facts)
        yield Reply(question.source, self._replies.response(question.message.header, question.version, body))
        yield Forget(id)

    def _report(
        self, stamp: Stamp, event: Arrived, category: Category[Any, Any], reference: MessageReference | None
    ) -> Iterator[Command]:
        header = event.message.header
        sale_id = (reference.sale_id if reference else None) or header.sale_id
        poi_id = (reference.poi_id if reference else None) or header.poi_id
        service_id = reference.service_id if reference else None
        category_wanted = reference.message_category if reference else None
        if reference is not None and reference.device_id is not None and service_id is None:
            yield from self._fail(stamp, event, FAILURES["NOT_FOUND"])  # device exchanges are not kept
        elif self._books.find(sale_id, poi_id, service_id, category_wanted) is not None:
            yield from self._fail(stamp, event, FAILURES["IN_PROGRESS"])
        else:
            yield from self._look_up(stamp, event, category, reference, (sale_id, poi_id, service_id))

    def _look_up(
        self,
        stamp: Stamp,
        event: Arrived,
        category: Category[Any, Any],
        reference: MessageReference | None,
        wanted: tuple[str, str, str | None],
        *,
        stop: bool = False,
    ) -> Iterator[Command]:
        question = self._ask(event, category)
        if question is None:
            return
        question.reference, question.stop = reference, stop
        sale_id, poi_id, service_id = wanted
        if service_id is None:
            ref = ("pair", did.pair_of(sale_id, poi_id))
        else:
            ref = ("service", did.service_of(sale_id, poi_id, service_id))
        self._questions[f"Q{stamp.number}"] = question
        yield Lookup(f"Q{stamp.number}", (Query(refs=(ref,), since=stamp.wall - self.policy.keys_kept),))

    # -- wishes --------------------------------------------------------------------------------------------------

    def _stop(
        self, stamp: Stamp, event: Arrived, category: Category[Any, Any], reference: MessageReference
    ) -> Iterator[Command]:
        """A wish reaches only exchanges of its own SaleID (R6)."""
        header = event.message.header
        poi_id = reference.poi_id or header.poi_id
        own = reference.sale_id in {None, header.sale_id} and not (
            reference.device_id and not reference.service_id
        )
        wanted_category = reference.message_category
        target = (
            self._books.find(header.sale_id, poi_id, reference.service_id, wanted_category) if own else None
        )
        service_id = header.service_id or ""
        if isinstance(target, Claim):
            target.aborted = service_id
        elif target is not None and self._books.broken:
            self._books.wishes.append((target.exchange.id, service_id))
        elif target is not None:
            yield from target.wish(stamp, "pos", service_id)
        elif own and reference.service_id is not None:
            wanted = (header.sale_id, poi_id, reference.service_id)
            yield from self._look_up(stamp, event, category, reference, wanted, stop=True)
        else:
            question = _Question(event.message, event.version, event.source, "", category, reference)
            facts = self._facts(stamp, event.version, header.poi_id, None)
            yield self._too_late(stamp, question, facts, settled=False)

    def _too_late(self, stamp: Stamp, question: _Question, facts: Facts, settled: bool) -> Reply:
        """Event ``Completed`` for what has ended, ``Reject`` for what is not known."""
        header = question.message.header
        ids = (header.sale_id, header.poi_id)
        service_id = question.reference.service_id if question.reference else None
        if settled:
            details = f"ServiceID {service_id} has already ended; ask TransactionStatus."
            return self._event(stamp, question.source, "Completed", details, facts, ids=ids)
        rejected = Secret("", b64encode(self._replies.encoded(question.message, question.version)).decode())
        details = failures.response(FAILURES["NOT_FOUND"]).additional_response or ""
        return self._event(stamp, question.source, "Reject", details, facts, ids=ids, rejected=rejected)

    # -- small words ---------------------------------------------------------------------------------------------

    def _terminal(self, poi_id: str) -> None:
        if poi_id not in self.policy.terminals:
            raise UnknownTerminal(f"Terminal {poi_id} is not configured here.")

    def _facts(self, stamp: Stamp, version: Version, poi_id: str, session: Session | None) -> Facts:
        return Facts(
            now=stamp.wall,
            reference=self.policy.reference(f"Q{stamp.number}"),
            policy=self.policy,
            terminal=self.policy.terminals.get(poi_id),
            session=session,
            version=version,
            logged_in=self._books.sessions.logged_in(poi_id),
            busy=self._books.holder(poi_id) is not None,
        )

    def _fail(self, stamp: Stamp, event: Arrived, failure: Failure, *, at: str = "") -> Iterator[Command]:
        header = event.message.header
        facts = self._facts(stamp, event.version, header.poi_id, None)
        body = failures.failed(header.message_category, failure, facts, request=event.message.body, at=at)
        if body is not None:
            yield Reply(event.source, self._replies.response(header, event.version, body))

    def _failed(self, question: _Question, facts: Facts, failure: Failure) -> Reply:
        header = question.message.header
        body = failures.failed(header.message_category, failure, facts, request=question.message.body)
        assert body is not None, "every question has an answer"
        return Reply(question.source, self._replies.response(header, question.version, body))

    def _event(
        self,
        stamp: Stamp,
        source: Source,
        name: str,
        details: str,
        facts: Facts,
        *,
        ids: tuple[str, str],
        rejected: Secret | None = None,
    ) -> Reply:
        device_id = str(stamp.number % 10**10)
        data = self._replies.event(
            name, details, facts, sale_id=ids[0], poi_id=ids[1], device_id=device_id, rejected=rejected
        )
        return Reply(source, data)


def _acknowledging(commands: Iterable[Command], owed: tuple[Delivery, ...]) -> Iterator[Command]:
    """``commands``, and what brought them about acknowledged so late that a crash loses neither deed nor answer.

    Behind the last answer; without one, behind the last entry of a journal lane; else with its own input. A Diagnosis
    is acknowledged at once: it may take seconds, and acknowledgements go out in order (R13).
    """
    made = list(commands)
    last = next((place for place in reversed(range(len(made))) if isinstance(made[place], Reply)), None)
    if owed and last is not None:
        reply = made[last]
        assert isinstance(reply, Reply), "as was just found"
        made[last] = replace(reply, accepts=owed)
        owed = ()
    yield from made
    written = [command.entry.exchange for command in made if isinstance(command, Journal)]
    for one in owed:
        yield Accept(one.source, one.ack, (written[-1] if written else None) or "")


class JournalDownError(Refusal):
    """The journal cannot be written, and what was asked needs it."""

    condition = "Busy"
    code = "NB-341"
    retry = "yes"
