"""The way out of unknown (rule R12): a person decides, says why, and is held to what can still be found out."""

from __future__ import annotations

from collections.abc import Iterator

from nexo_bridge.categories.plan import Ending, ResolvedUnpaid
from nexo_bridge.core.books import Books
from nexo_bridge.core.course import Course
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.signals import Command, ResolveAsked, Tell
from nexo_bridge.ppaas.models import Approved, Transaction


def resolve(stamp: Stamp, event: ResolveAsked, books: Books) -> Iterator[Command]:
    """Settle an unresolved exchange as a person says, or tell why not."""
    course = books.courses.get(event.exchange)
    objection = _objection(stamp, event, course, books)
    if objection is not None or course is None:
        yield Tell(event.request, done=False, text=objection or "", exchange="")
        return
    yield from course.resolve(
        stamp, paid=event.paid, by=event.by, why=event.why, ending=_ending(course, event.paid)
    )
    word = "paid" if event.paid else "not paid"
    yield Tell(
        event.request, done=True, text=f"{event.exchange} is settled as {word}.", exchange=event.exchange
    )
    books.tidy(course)


def _objection(stamp: Stamp, event: ResolveAsked, course: Course | None, books: Books) -> str | None:
    if books.broken:
        return "The journal cannot be written now; try again once it can."
    if course is None or not course.exchange.unresolved:
        return f"{event.exchange} is not an unresolved exchange; nexo-bridge journal list shows them."
    if course.exchange.asking is None:
        return f"{event.exchange} has not been asked of the platform yet; wait a moment."
    if event.paid and course.stop_may_act(stamp):
        return f"A stop of {event.exchange} may still undo it; wait until the platform has settled, then look again."
    if not event.paid and not course.nothing_found and not event.checked:
        return (
            "Nothing proves that it was not paid. Look at the platform's own records;"
            " then say so with --i-have-checked-the-platform."
        )
    return None


def _ending(course: Course, paid: bool) -> Ending:
    asking = course.exchange.asking
    assert asking is not None, "checked before"
    if not paid:
        return ResolvedUnpaid()
    return Approved(
        transaction=Transaction(
            transaction_id=course.exchange.transaction_id or "unknown",
            client_transaction_id=asking.key,
            device_id=asking.serial,
            status="APPROVED",
            amount=asking.amount,
            currency=asking.currency,
        )
    )
