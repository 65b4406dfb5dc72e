"""What the platform tells unasked (rule R7): journalled, acknowledged, then handled.

Events are hints that save a poll; they never weaken what a read proves. An event whose channel is not mutually
authenticated, or that meets an exchange with a wish, only triggers a look. Doubles, foreign ones and those of
exchanges long settled are harmless; a final fact against a frozen outcome is a discrepancy (rule R8).
"""

from __future__ import annotations

from collections.abc import Iterator

from nexo_bridge.core import decisions as did
from nexo_bridge.core import discrepancy
from nexo_bridge.core.books import Books
from nexo_bridge.core.course import Course
from nexo_bridge.core.exchange import Exchange, advance, fold
from nexo_bridge.core.journal import History, Query, Stamp
from nexo_bridge.core.signals import Accept, Command, Forget, Found, Journal, Lookup, PlatformEvent, Raise
from nexo_bridge.ppaas.models import Approved, Declined, Pending

MOST_REMEMBERED = 10_000
"""Event ids kept to know doubles by; older doubles are handled again, which is harmless."""

KEPT = 7 * 86400.0
"""Seconds an exchange is looked for: what is older has lost its answer to retention and proves nothing more."""

Final = Approved | Declined


class News:
    """Takes platform events."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._seen: dict[tuple[str, str], None] = {}
        self._asked: dict[str, tuple[str, Final]] = {}

    def forget(self) -> None:
        """The journal was read (again): what is not on it was not heard, and comes again."""
        self._seen.clear()
        self._asked.clear()

    def told(self, stamp: Stamp, event: PlatformEvent) -> Iterator[Command]:
        """An event came in."""
        yield Accept(event.source, event.ack)
        if self._books.broken:
            return
        if event.missed:
            yield from self._missed(stamp, event.poiid)
        outcome = event.outcome
        if self._double(event) or not isinstance(outcome, Approved | Declined | Pending):
            return
        course = self._course(outcome.transaction.client_transaction_id)
        if course is not None:
            if _of(course.exchange, event.poiid):
                yield from course.told(stamp, event.sequence, outcome, settles=event.settles)
                self._books.tidy(course)
        elif not isinstance(outcome, Pending):
            # Nothing in hand is about it. If it contradicts what was settled long ago, people must know.
            name = f"N{stamp.number}"
            self._asked[name] = (event.poiid, outcome)
            transaction = outcome.transaction
            refs = (
                ("asked", transaction.client_transaction_id),
                ("transaction", transaction.transaction_id),
            )
            since = stamp.wall - KEPT
            yield Lookup(name, tuple(Query(refs=(ref,), since=since, limit=1) for ref in refs))

    def found(self, stamp: Stamp, event: Found) -> Iterator[Command]:
        """The exchange that a final event out of the blue is about, if it is one of ours."""
        poiid, outcome = self._asked.pop(event.exchange, ("", None))
        history = next((one for results in event.results or () for one in results), None)
        if outcome is None or history is None or self._books.broken:
            return
        exchange = fold(history)
        against = discrepancy.against(exchange, outcome) if _of(exchange, poiid) else None
        if against is not None and not _known(history, against[0]):
            disagreed, text = against
            advance(exchange, disagreed, id=exchange.id, wall=stamp.wall)
            yield Journal(did.entry(disagreed, stamp, exchange.id))
            yield Raise(exchange.id, "DISCREPANCY", text)
            yield Forget(exchange.id)

    def _missed(self, stamp: Stamp, poiid: str) -> Iterator[Command]:
        """Events may be lost (F56): what is open at that terminal is read."""
        for course in self._books.unresolved():
            if _of(course.exchange, poiid):
                yield from course.rang(stamp, "look")

    def _double(self, event: PlatformEvent) -> bool:
        """Whether it was handled before. Each terminal has its own ids: one cannot silence another's."""
        name = (event.poiid, event.event_id)
        if not event.event_id:
            return False
        if name in self._seen:
            return True
        self._seen[name] = None
        if len(self._seen) > MOST_REMEMBERED:
            self._seen.pop(next(iter(self._seen)))
        return False

    def _course(self, key: str) -> Course | None:
        for course in self._books.courses.values():
            asking = course.exchange.asking
            if asking is not None and asking.key == key:
                return course
        return None


def _of(exchange: Exchange, poiid: str) -> bool:
    """Whether the exchange is that terminal's own."""
    return exchange.asking is not None and exchange.asking.poiid == poiid


def _known(history: History, disagreed: did.Disagreed) -> bool:
    """Whether just this contradiction is written down already."""
    return any(entry.name == disagreed.name and did.read(entry) == disagreed for entry in history.entries)
