"""What the platform tells unasked (rule R7): journalled, acknowledged, then handled.

Events are hints that save a poll; they never weaken what a read proves. An event whose channel is not mutually
authenticated, or that meets an exchange with a wish, only triggers a look. Doubles, foreign ones and those of
exchanges long settled are harmless; a final yes against a frozen no is a discrepancy (rule R8).
"""

from __future__ import annotations

from collections.abc import Iterator

from nexo_bridge.core import decisions as did
from nexo_bridge.core.books import Books
from nexo_bridge.core.course import Course
from nexo_bridge.core.exchange import Exchange, advance, fold
from nexo_bridge.core.journal import Query, Stamp
from nexo_bridge.core.signals import Accept, Command, Found, Journal, Lookup, PlatformEvent, Raise
from nexo_bridge.ppaas.models import Approved, Declined, Pending

MOST_REMEMBERED = 10_000
"""Event ids kept to know doubles by; older doubles are handled again, which is harmless."""


class News:
    """Takes platform events."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._seen: dict[str, None] = {}
        self._asked: dict[str, Approved] = {}

    def told(self, stamp: Stamp, event: PlatformEvent) -> Iterator[Command]:
        """An event came in."""
        yield Accept(event.source, event.ack, f"N{stamp.number}")
        outcome = event.outcome
        if (
            self._books.broken
            or self._double(event)
            or not isinstance(outcome, Approved | Declined | Pending)
        ):
            return
        course = self._course(outcome.transaction.client_transaction_id)
        if course is not None:
            yield from course.told(stamp, event.sequence, outcome, settles=event.settles)
            self._books.tidy(course)
        elif isinstance(outcome, Approved):
            # Nothing in hand is about it. If it contradicts what was settled long ago, people must know.
            self._asked[f"N{stamp.number}"] = outcome
            named = ("transaction", outcome.transaction.transaction_id)
            yield Lookup(f"N{stamp.number}", (Query(refs=(named,), limit=1),))

    def found(self, stamp: Stamp, event: Found) -> Iterator[Command]:
        """The exchange that an approval out of the blue is about, if it is one of ours."""
        outcome = self._asked.pop(event.exchange, None)
        if outcome is None or not event.results or not event.results[0]:
            return
        exchange = fold(event.results[0][0])
        if exchange.settled is not None and exchange.settled.authorised is None and _ours(exchange, outcome):
            transaction = outcome.transaction
            disagreed = did.Disagreed(status=transaction.status, authorised=transaction.authorised)
            advance(exchange, disagreed, id=exchange.id, wall=stamp.wall)
            yield Journal(did.entry(disagreed, stamp, exchange.id))
            yield Raise(exchange.id, "DISCREPANCY", "the platform approved what was answered as not paid")

    def _double(self, event: PlatformEvent) -> bool:
        if event.event_id in self._seen:
            return True
        self._seen[event.event_id] = None
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        return False

    def _course(self, key: str) -> Course | None:
        for course in self._books.courses.values():
            asking = course.exchange.asking
            if asking is not None and asking.key == key:
                return course
        return None


def _ours(exchange: Exchange, outcome: Approved) -> bool:
    asking = exchange.asking
    return asking is not None and asking.key == outcome.transaction.client_transaction_id
