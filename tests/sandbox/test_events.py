from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.events import BACKLOG, STRANGER, Event, Events, parse_schedule
from nexo_bridge.sandbox.faults import Faults
from nexo_bridge.sandbox.ledger import Transaction

SERIAL, OTHER = "2097CD800001", "2097CD800002"


class Rig:
    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.faults = Faults()
        self.events = Events(
            self.clock, self.faults, {SERIAL: "POI00001", OTHER: "POI00002"}, seed=1, late=5.0
        )

    def pay(self, *statuses: str) -> Transaction:
        transaction = Transaction(
            "txn_1", "key", SERIAL, "card", "SALE", 1250, "EUR", heard=self.events.moved
        )
        for status in statuses:
            transaction.authorised = 1250 if status == "APPROVED" else None
            transaction.move(status, self.clock.now())
        return transaction

    def told(self, serial: str = SERIAL) -> list[tuple[str, int]]:
        """Status and sequence of each event of a device's log."""
        bodies = [json.loads(event.body) for event in self.events.logs[serial]]
        return [(body["status"], body["sequence"]) for body in bodies]

    def bodies(self, serial: str = SERIAL) -> list[dict[str, Any]]:
        return [json.loads(event.body) for event in self.events.logs[serial]]


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_every_move_is_an_event_that_shows_what_a_read_would(rig: Rig) -> None:
    transaction = rig.pay("PENDING", "APPROVED")

    assert rig.told() == [("PENDING", 1), ("APPROVED", 2)]
    last = rig.bodies()[-1]
    assert last.items() >= transaction.answer().items()
    assert len({body["eventId"] for body in rig.bodies()}) == 2
    assert rig.told(OTHER) == []


def test_hearers_hear_until_they_are_forgotten(rig: Rig) -> None:
    heard: list[Event] = []
    hearer: Callable[[Event], None] = heard.append
    rig.events.listen(hearer)
    rig.pay("PENDING")
    rig.events.forget(hearer)
    rig.pay("PENDING")

    assert len(heard) == 1


def test_a_position_is_found_by_the_newest_event_of_that_id(rig: Rig) -> None:
    rig.faults.inject("event-duplicate", times=1)
    rig.pay("PENDING", "APPROVED")
    first = rig.events.logs[SERIAL][0].event_id

    assert rig.events.position(SERIAL, first) == 2
    assert rig.events.position(SERIAL, "evt_unknown") is None
    assert rig.events.position(OTHER, first) is None


def test_the_schedule_delays_doubles_and_leaves_out(rig: Rig) -> None:
    rig.events.schedule = parse_schedule("APPROVED=0.5+3,PIN_ENTRY=,*=1")
    rig.pay("PENDING", "PIN_ENTRY", "APPROVED")
    assert rig.told() == []
    rig.clock.advance(0.6)
    assert rig.told() == [("APPROVED", 3)]
    rig.clock.advance(5)
    assert rig.told() == [("APPROVED", 3), ("PENDING", 1), ("APPROVED", 3)]


@pytest.mark.parametrize("text", ["APPROVED", "=1", "APPROVED=x", "APPROVED=-1", "*=inf"])
def test_a_schedule_is_written_in_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_schedule(text)


def test_no_schedule_is_one_too() -> None:
    assert parse_schedule("") == {}


def test_lost(rig: Rig) -> None:
    rig.faults.inject("event-lost")
    rig.pay("PENDING", "APPROVED")
    assert rig.told() == [("APPROVED", 2)]


def test_duplicate(rig: Rig) -> None:
    rig.faults.inject("event-duplicate", times=3)
    rig.pay("PENDING", "APPROVED")
    assert rig.told() == [("PENDING", 1)] * 4 + [("APPROVED", 2)]
    assert len({body["eventId"] for body in rig.bodies()}) == 2


def test_reorder(rig: Rig) -> None:
    rig.faults.inject("event-reorder", times=2)
    rig.pay("PENDING", "AUTHORISING", "APPROVED")
    assert rig.told() == [("APPROVED", 3), ("AUTHORISING", 2), ("PENDING", 1)]


def test_foreign_terminal(rig: Rig) -> None:
    rig.faults.inject("event-foreign-terminal")
    rig.pay("PENDING")
    assert [body["deviceId"] for body in rig.bodies()] == [SERIAL, STRANGER]
    assert [body["deviceId"] for body in rig.bodies(OTHER)] == [SERIAL]


def test_unknown_fields_and_statuses(rig: Rig) -> None:
    rig.faults.inject("event-unknown-fields")
    rig.faults.inject("event-unknown-status")
    rig.pay("PENDING")
    assert [body["status"] for body in rig.bodies()] == ["PENDING", "UNDER_REVIEW", "PENDING"]
    assert rig.bodies()[0]["eventType"] == "device.moodChanged"
    assert "loyalty" in rig.bodies()[2]


@pytest.mark.parametrize(("final", "opposite"), [("APPROVED", "DECLINED"), ("DECLINED", "APPROVED")])
def test_contradiction(final: str, opposite: str, rig: Rig) -> None:
    rig.faults.inject("event-contradiction")
    rig.pay("PENDING", final)
    assert rig.told() == [("PENDING", 1), (final, 2), (opposite, 3)]
    assert ("authorisedAmount" in rig.bodies()[-1]) == (opposite == "APPROVED")


def test_late_approval_is_in_the_ledger_too(rig: Rig) -> None:
    rig.faults.inject("event-late-approval")
    transaction = rig.pay("PENDING", "DECLINED")
    assert not transaction.approved
    rig.clock.advance(5)
    assert transaction.approved
    assert rig.told()[-1] == ("APPROVED", 3)


def test_backlog(rig: Rig) -> None:
    rig.events.backlog(SERIAL)
    assert len(rig.told()) == BACKLOG
    assert len({body["eventId"] for body in rig.bodies()}) == BACKLOG
