"""Which topic belongs to whom: templates with SaleID and POIID, each a whole level, percent-encoded.

Ids may hold ``/``, blanks and what MQTT uses as wildcards; encoded they hold letters, digits and ``-._~%`` alone, and
each id has one encoding only, so that a broker's ACL by topic means one Sale System.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

SALE, POI, BRIDGE = "{SaleID}", "{POIID}", "{bridge}"
LONGEST: Final = 65535
"""Bytes of a topic, at most (MQTT 3.1.1, 1.5.3)."""


def encoded(name: str) -> str:
    """An id as one level of a topic."""
    return quote(name, safe="")


def decoded(level: str) -> str | None:
    """The id that a level stands for; None unless it is exactly that id's encoding."""
    try:
        name = unquote(level, errors="strict")
    except UnicodeDecodeError:
        return None
    return name if encoded(name) == level else None


def checked(template: str, places: frozenset[str]) -> str:
    """``template``, if it is a topic in which each of ``places`` is one whole level.

    Raises:
        ValueError: it is not; one sentence with the fix.
    """
    levels = template.split("/")
    if any(levels.count(place) != 1 for place in places):
        names = " and ".join(sorted(places))
        raise ValueError(f"write a topic in which {names} each stand once, as a whole level between slashes")
    rest = "".join(level for level in levels if level not in places)
    if any(character in rest for character in "+#{}\0") or template.startswith("$"):
        raise ValueError(
            "a topic holds no +, no #, no other braces, and does not begin with $; take them out"
        )
    return template


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one listener, made from its templates.

    Attributes:
        to_poi: requests, and answers to device requests, of a POS.
        to_sale: answers, device requests and events for it.
        status: of a terminal, retained.
        owner: which bridge serves a terminal, retained.
        bridge: whether a bridge is there, retained; its last will says that it is not.
    """

    to_poi: str
    to_sale: str
    status: str
    owner: str
    bridge: str

    def requests_of(self, poiid: str) -> str:
        """What to subscribe to for one terminal: every Sale System may ask."""
        return self.to_poi.replace(POI, encoded(poiid)).replace(SALE, "+")

    def levels_of(self, topic: str) -> tuple[str, str] | None:
        """The levels of SaleID and POIID, still encoded; None if ``topic`` is not one of requests."""
        found = _match(self.to_poi, topic)
        return None if found is None else (found[SALE], found[POI])

    def answers_to(self, sale_level: str, poi_level: str) -> str:
        """Where a pair, given by its levels, is answered."""
        return self.to_sale.replace(SALE, sale_level).replace(POI, poi_level)

    def allows(self, wanted: str, standard: str) -> bool:
        """Whether an answer may go to the response topic ``wanted``: the pair's own, or below it."""
        plain = not any(character in wanted for character in "+#\0") and len(wanted.encode()) <= LONGEST
        return wanted == standard or (plain and wanted.startswith(f"{standard}/"))

    def status_of(self, poiid: str) -> str:
        """Where people see whether a terminal is served."""
        return self.status.replace(POI, encoded(poiid))

    def owner_of(self, poiid: str) -> str:
        """Where it is written which bridge serves a terminal."""
        return self.owner.replace(POI, encoded(poiid))

    def owned(self, topic: str) -> str | None:
        """The POIID whose owner record ``topic`` holds, None if it holds none."""
        found = _match(self.owner, topic)
        return None if found is None else decoded(found[POI])

    def bridge_at(self, name: str) -> str:
        """Where a bridge says that it is there."""
        return self.bridge.replace(BRIDGE, encoded(name))


def _match(template: str, topic: str) -> dict[str, str] | None:
    pattern, levels = template.split("/"), topic.split("/")
    if len(pattern) != len(levels):
        return None
    found: dict[str, str] = {}
    for wanted, level in zip(pattern, levels, strict=True):
        if wanted in {SALE, POI}:
            found[wanted] = level
        elif wanted != level:
            return None
    return found
