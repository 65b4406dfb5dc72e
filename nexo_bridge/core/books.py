"""What the core has in hand right now: claims, courses, sessions, and whether the journal can be written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nexo_bridge.core import decisions as did
from nexo_bridge.core.course import Course
from nexo_bridge.core.sameness import Claim, sale_name
from nexo_bridge.core.sessions import Sessions
from nexo_bridge.core.signals import Command
from nexo_bridge.core.source import Source


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a terminal."""

    id: str
    service_id: str
    sale_id: str


@dataclass(slots=True)
class Waiting:
    """What survives a second reading of the journal: who waits for which exchange, and who wants it stopped."""

    sources: dict[str, list[Source]] = field(default_factory=dict)
    wishes: list[tuple[str, str]] = field(default_factory=list)


class Books:
    """Claims by id while their look-up runs, courses by id while they are unresolved or unwritten."""

    def __init__(self) -> None:
        self.claims: dict[str, Claim] = {}
        self.courses: dict[str, Course] = {}
        self.sessions = Sessions()
        self.broken = False
        self.stopping = False
        self.wishes: list[
            tuple[str, str]
        ] = []  # (exchange, ServiceID of the Abort) that could not be journalled

    def unresolved(self) -> list[Course]:
        """Courses whose outcome is open, oldest first."""
        return [course for course in self.courses.values() if course.exchange.unresolved]

    def same_key(self, key: str) -> Claim | Course | None:
        """What is in hand under rule R3's key; settled exchanges are the journal's."""
        for claim in self.claims.values():
            if claim.key == key:
                return claim
        for course in self.unresolved():
            if did.key_of(course.exchange.request.header) == key:
                return course
        return None

    def same_sale(self, claim: Claim) -> str | None:
        """ServiceID under which the sale of ``claim`` is already on its way."""
        sale = claim.sale
        if sale is None:
            return None
        for other in self._older_claims(claim):
            if (
                other.sale_id == claim.sale_id and other.sale == sale
            ):  # cheap first: a sale is its Sale System's own
                return other.service_id
        for course in self.unresolved():
            received = course.exchange.received
            if received.sale_id == claim.sale_id and sale_name(course.exchange.request) == sale:
                return received.service_id
        return None

    def holder(self, poi_id: str, claim: Claim | None = None) -> Holder | None:
        """Who holds a terminal: an unresolved exchange that does not free it, or a claim older than ``claim``."""
        for course in self.unresolved():
            received = course.exchange.received
            if received.poi_id == poi_id and not course.frees_terminal():
                return Holder(course.exchange.id, received.service_id, received.sale_id)
        for other in self._older_claims(claim):
            if other.poi_id == poi_id:
                return Holder(other.id, other.service_id, other.sale_id)
        return None

    def _older_claims(self, claim: Claim | None) -> list[Claim]:
        """Claims that came before ``claim``; a later one waits its turn and is judged against this one."""
        if claim is None:
            return list(self.claims.values())
        return [other for other in self.claims.values() if int(other.id[1:]) < int(claim.id[1:])]

    def find(
        self, sale_id: str, poi_id: str, service_id: str | None, category: str | None = None
    ) -> Claim | Course | None:
        """What is running for a pair: the one named, else what holds the terminal, or will, else the newest parked.

        ``category`` must fit where it is given.
        """
        courses = self.unresolved()[::-1]
        holding = [course for course in courses if not course.frees_terminal()]
        freeing = [course for course in courses if course.frees_terminal()]
        running: list[Claim | Course] = [*holding, *self.claims.values(), *freeing]
        for one in running:
            ids = (one.sale_id, one.poi_id) if isinstance(one, Claim) else _ids(one)
            service = one.service_id if isinstance(one, Claim) else one.exchange.received.service_id
            kind = one.category if isinstance(one, Claim) else one.exchange.received.category
            if ids == (sale_id, poi_id) and service_id in {None, service} and category in {None, kind}:
                return one
        return None

    def forget_source(self, source: Source) -> Iterator[Command]:
        """A connection is gone: nobody waits there any more."""
        for claim in self.claims.values():
            if source in claim.sources:
                claim.sources.remove(source)
        for course in list(self.courses.values()):
            yield from course.gone(source)
            self.tidy(course)

    def tidy(self, course: Course) -> None:
        """Let a course go that has nothing left to hear."""
        if course.over:
            self.courses.pop(course.exchange.id, None)

    def reset(self) -> Waiting:
        """Forget what the journal knows better; claims stay, because their look-ups still come back."""
        waiting = Waiting(
            {name: course.sources for name, course in self.courses.items() if course.sources}, self.wishes
        )
        self.courses.clear()
        self.sessions.clear()
        self.broken = False
        self.wishes = []
        return waiting


def _ids(course: Course) -> tuple[str, str]:
    received = course.exchange.received
    return received.sale_id, received.poi_id
