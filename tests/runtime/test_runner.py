"""The only loop: nothing overtakes the journal, exchanges do not wait for each other, a broken disk is read again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from nexo_bridge.core.bridge import Bridge
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.signals import Command, PosGone, Raise, ResolveAsked, Started
from nexo_bridge.runtime.runner import REOPEN_PAUSE, Runner
from tests.core.words import (
    LOST,
    POLICY,
    A,
    B,
    abort,
    approved,
    declined,
    diagnosis,
    event,
    login,
    payment,
    pending,
    status,
)
from tests.nexo.corpus import schemas, seal
from tests.runtime.memory_ports import HandClock, HandJournal, HandPlatform, HandWriter, settle_down


@dataclass
class Stage:
    """A runner on ports in memory."""

    journal: HandJournal = field(default_factory=HandJournal)
    platform: HandPlatform = field(default_factory=HandPlatform)
    writer: HandWriter = field(default_factory=HandWriter)
    clock: HandClock = field(default_factory=HandClock)
    points: list[str] = field(default_factory=list)
    seen: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bridge = Bridge(POLICY, Replies(schemas(), seal))
        self.runner = Runner(
            self.bridge,
            self.journal,
            self.platform,
            self.writer,
            self.clock,
            checkpoint=self.points.append,
            observe=lambda _, command: self.seen.append(command),
        )

    @property
    def answers(self) -> list[str]:
        return [
            f"{to} {'Success' if b'Result=' in data and b'Success' in data else 'Failure'}"
            for to, data in self.writer.written
        ]

    async def pay(self, **words: Any) -> None:
        """A payment arrives, and everything that can happen now happens."""
        self.runner.feed(payment(**words))
        await settle_down()

    def decided(self) -> list[str]:
        return [entry.name for entry in self.journal.decisions()]


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    await made.runner.start()
    for poi in ("POI1", "POI2"):
        made.runner.feed(login(poi=poi))
    await settle_down()
    made.writer.written.clear()
    yield made
    await made.runner.close()


# -- the barrier ----------------------------------------------------------------------------------------------------


async def test_no_call_leaves_before_its_entries_are_on_disk(stage: Stage) -> None:
    stage.journal.held = True
    await stage.pay()
    assert stage.platform.asked == []
    stage.journal.sync()
    await settle_down()
    assert stage.platform.asked == ["create_card"]
    assert stage.decided()[-2:] == ["Received", "Asking"]


async def test_no_answer_is_written_before_the_outcome_is_on_disk(stage: Stage) -> None:
    await stage.pay()
    stage.journal.held = True
    stage.platform.answer("create_card", approved(stage.platform.key()))
    await settle_down()
    assert stage.writer.written == []
    stage.journal.sync()
    await settle_down()
    assert stage.answers == ["A Success"]
    assert stage.decided()[-1] == "Delivered"


async def test_who_waits_for_the_disk_is_called_when_the_newest_event_is_there(stage: Stage) -> None:
    called: list[str] = []
    stage.journal.held = True
    stage.runner.feed(abort())
    stage.runner.when_on_disk(lambda: called.append("first"))
    await settle_down()
    assert called == []
    stage.journal.sync()
    await settle_down()
    assert called == ["first"]


async def test_who_waits_for_a_disk_that_fails_is_called_too(stage: Stage) -> None:
    called: list[str] = []
    stage.journal.held = True
    stage.runner.feed(abort())
    stage.runner.when_on_disk(lambda: called.append("waited"))
    stage.journal.fail()
    stage.runner.when_on_disk(lambda: called.append("came later"))
    await settle_down()
    assert called == ["waited", "came later"]


async def test_exchanges_do_not_wait_for_each_others_answers(stage: Stage) -> None:
    await stage.pay()
    await stage.pay(poi="POI2", service="2")
    assert stage.platform.asked == ["create_card", "create_card"]


async def test_what_depends_on_nothing_does_not_wait_for_the_disk(stage: Stage) -> None:
    await stage.pay()
    stage.journal.held = True
    stage.runner.feed(status(of="1", source=B))
    await settle_down()
    assert stage.answers == ["B Failure"]


async def test_commands_of_one_exchange_keep_their_order(stage: Stage) -> None:
    await stage.pay()
    stage.journal.held = True
    stage.runner.feed(abort())
    stage.platform.answer("create_card", pending(stage.platform.key()))
    await settle_down()
    assert stage.platform.asked == []
    stage.journal.sync()
    await settle_down()
    assert stage.platform.asked == ["terminal_abort"]
    assert stage.decided()[-2:] == ["Wished", "Acknowledged"]


async def test_an_event_is_acknowledged_once_it_is_on_disk(stage: Stage) -> None:
    stage.journal.held = True
    stage.runner.feed(event(None, ack=7))
    await settle_down()
    assert stage.writer.acknowledged == []
    stage.journal.sync()
    await settle_down()
    assert stage.writer.acknowledged == [7]


async def test_an_event_that_did_not_reach_the_disk_is_not_acknowledged(stage: Stage) -> None:
    stage.journal.held = True
    stage.runner.feed(event(None, ack=7))
    stage.journal.fail()
    await settle_down()
    assert stage.writer.acknowledged == []


async def test_every_event_is_stamped_by_rising_numbers_and_its_input_comes_before_its_decisions(
    stage: Stage,
) -> None:
    await stage.pay()
    numbers = [entry.stamp.number for entry in stage.journal.entries]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(numbers)
    names = [entry.name for entry in stage.journal.entries]
    assert names[-4:] == ["Arrived", "Found", "Received", "Asking"]


# -- what is carried out --------------------------------------------------------------------------------------------


async def test_alarms_ring_at_their_time_and_a_second_one_replaces_the_first(stage: Stage) -> None:
    await stage.pay()
    stage.platform.answer("create_card", pending(stage.platform.key()))
    await settle_down()
    stage.clock.move(0.4)
    await settle_down()
    assert stage.platform.asked == []
    stage.clock.move(0.2)
    await settle_down()
    assert stage.platform.asked == ["read_card"]


async def test_a_settled_exchange_leaves_no_alarm_and_no_lane(stage: Stage) -> None:
    lanes = len(stage.runner._lanes)
    await stage.pay()
    stage.platform.answer("create_card", declined(stage.platform.key()))
    await settle_down()
    assert stage.runner._alarms == {}
    assert len(stage.runner._lanes) == lanes


@pytest.mark.parametrize("when", ["before the answer", "while it is written"])
async def test_i8_a_pos_that_goes_away_leaves_no_lane_behind(stage: Stage, when: str) -> None:
    lanes = len(stage.runner._lanes)
    await stage.pay()
    if when == "before the answer":
        stage.runner.feed(PosGone(source=A))
    stage.writer.gone.add("A")
    stage.platform.answer("create_card", declined(stage.platform.key()))
    await settle_down()
    stage.runner.feed(PosGone(source=A))
    await settle_down()
    assert "Delivered" not in stage.decided()
    assert (len(stage.runner._lanes), stage.runner._alarms) == (lanes, {})


async def test_a_platform_that_raises_is_unknown_and_looked_at(stage: Stage) -> None:
    await stage.pay()
    with structlog.testing.capture_logs() as logs:
        stage.platform.answer("create_card", RuntimeError("secret text"))
        await settle_down()
    assert stage.platform.asked == ["find_card"]
    assert [log["event"] for log in logs] == ["platform failed"]


async def test_a_defect_in_deciding_one_event_stops_no_other(stage: Stage) -> None:
    await stage.pay()
    with structlog.testing.capture_logs() as logs:
        stage.platform.answer("create_card", approved(stage.platform.key(), transaction_id="\x01"))
        await settle_down()
    assert [log["event"] for log in logs] == ["core failed"]
    stage.runner.feed(status(of="1", source=B))
    await settle_down()
    assert stage.answers == ["B Failure"]


async def test_what_needs_people_is_logged(stage: Stage) -> None:
    await stage.pay()
    with structlog.testing.capture_logs() as logs:
        stage.platform.answer("create_card", approved("another key"))
        await settle_down()
    assert [(log["event"], log["code"]) for log in logs] == [("alarm", "FOREIGN")]
    assert any(isinstance(one, Raise) for one in stage.seen)
    assert "FOREIGN.raised" in stage.points


async def test_a_person_is_told_what_came_of_it_once_it_is_on_disk(stage: Stage) -> None:
    told: list[tuple[int, bool, str]] = []
    stage.runner.tell = lambda request, done, text: told.append((request, done, text))
    question = ResolveAsked(request=3, exchange="X9", paid=True, by="Ada", why="seen")
    stage.runner.feed(question)
    assert told[0][:2] == (3, False)
    await stage.pay()
    (open_one,) = stage.bridge.in_hand()
    stage.journal.held = True
    stage.runner.feed(question.model_copy(update={"request": 4, "exchange": open_one["exchange"]}))
    await settle_down()
    assert len(told) == 1
    stage.journal.sync()
    await settle_down()
    assert told[1][:2] == (4, True)


async def test_checkpoints_stand_before_and_after_everything_a_crash_may_part(stage: Stage) -> None:
    await stage.pay()
    stage.platform.answer("create_card", approved(stage.platform.key()))
    await settle_down()
    wanted = [
        "Arrived.taken",
        "Received.decided",
        "Asking.decided",
        "CallPlatform.allowed",
        "create_card.sending",
        "create_card.answered",
        "Settled.decided",
        "Reply.allowed",
        "Reply.writing",
        "Reply.written",
        "Delivered.decided",
    ]
    assert [point for point in stage.points if point in wanted][-len(wanted) :] == wanted


# -- a broken disk --------------------------------------------------------------------------------------------------


async def broken(stage: Stage) -> None:
    """A commit fails, and the journal says so."""
    stage.journal.fail()
    stage.runner.journal_broke("no space left on device")


async def test_a_failed_commit_poisons_its_exchange_which_is_read_again(stage: Stage) -> None:
    await stage.pay()
    stage.journal.held = True
    stage.platform.answer("create_card", approved(stage.platform.key()))
    await settle_down()
    await broken(stage)
    assert stage.bridge.broken
    await settle_down()
    assert not stage.bridge.broken
    assert stage.writer.written == []
    assert stage.platform.asked == ["find_card"]
    stage.platform.answer("find_card", approved(stage.platform.key()))
    await settle_down()
    assert stage.answers == ["A Success"]


async def test_a_lost_mark_does_not_keep_its_exchange_from_going_on(stage: Stage) -> None:
    """The lane waited for an entry that will never be on disk; what was read again rests on it no more."""
    await stage.pay()
    stage.platform.answer("create_card", pending(stage.platform.key()))
    await settle_down()
    stage.journal.held = True
    stage.runner.feed(abort())
    await settle_down()
    await broken(stage)
    await settle_down()
    assert "Wished" not in stage.decided()
    assert stage.platform.asked == ["read_card"]


async def test_a_payment_that_never_reached_the_disk_never_reaches_the_platform(stage: Stage) -> None:
    stage.journal.held = True
    stage.runner.feed(payment())
    await settle_down()
    await broken(stage)
    await settle_down()
    assert stage.platform.asked == []
    assert stage.bridge.unresolved == 0
    stage.runner.feed(payment(service="2", source=B))
    await settle_down()
    assert stage.platform.asked == ["create_card"]


async def test_a_look_up_that_waits_when_the_disk_breaks_is_still_made(stage: Stage) -> None:
    stage.journal.stays_broken = 1
    stage.runner.feed(payment())  # its look-up is queued, and depends on nothing
    await broken(stage)
    await settle_down()
    assert stage.answers == ["A Failure"]
    assert stage.bridge.unresolved == 0


async def test_a_broken_disk_is_tried_again_until_it_works(stage: Stage) -> None:
    stage.journal.stays_broken = 2
    await broken(stage)
    await settle_down()
    for expected in (True, True, False):
        assert stage.bridge.broken is expected
        stage.clock.move(REOPEN_PAUSE)
        await settle_down()


async def test_a_disk_that_can_be_written_but_not_read_is_broken_still(stage: Stage) -> None:
    stage.journal.unreadable = True
    stage.journal.stays_broken = 0
    await broken(stage)
    await asyncio.sleep(0)
    assert stage.bridge.broken
    stage.journal.unreadable = False
    await settle_down()
    assert not stage.bridge.broken


async def test_r6_calls_about_money_end_when_the_journal_is_read_again_and_others_do_not(
    stage: Stage,
) -> None:
    """A stop that went on unheard might act later than the core believes."""
    await stage.pay()
    stage.platform.answer("create_card", pending(stage.platform.key()))
    stage.runner.feed(abort())
    stage.runner.feed(diagnosis(poi="POI2"))
    await settle_down()
    assert stage.platform.asked == ["terminal_status", "terminal_abort"]
    await broken(stage)
    await settle_down()
    assert stage.platform.asked == ["terminal_status", "read_card"]


async def test_alarms_of_before_do_not_ring_after(stage: Stage) -> None:
    await stage.pay()
    stage.platform.answer("create_card", pending(stage.platform.key()))
    await settle_down()
    await broken(stage)
    await settle_down()
    stage.platform.answer("read_card", LOST)
    await settle_down()
    names = {alarm for _, alarm in stage.runner._alarms}
    assert names == {"customer_time", "answer_by", "look"}


async def test_an_unreadable_journal_answers_found_with_nothing(stage: Stage) -> None:
    stage.journal.unreadable = True
    await stage.pay()
    assert stage.answers == ["A Failure"]


# -- the end --------------------------------------------------------------------------------------------------------


async def test_quiet_waits_for_outcomes_and_writes(stage: Stage) -> None:
    await stage.pay()
    quiet = asyncio.create_task(stage.runner.quiet(), name="quiet")
    await settle_down()
    assert not quiet.done()
    stage.platform.answer("create_card", approved(stage.platform.key()))
    await settle_down()
    assert quiet.done()
    assert stage.answers == ["A Success"]


async def test_quiet_does_not_wait_for_what_is_parked(stage: Stage) -> None:
    await stage.pay()
    stage.platform.answer("create_card", LOST)
    await settle_down()
    stage.clock.move(101)
    await settle_down()
    await asyncio.wait_for(stage.runner.quiet(), 1)
    assert stage.bridge.parked == 1


async def test_close_ends_calls_and_alarms_and_leaves_the_exchange_as_it_is(stage: Stage) -> None:
    await stage.pay()
    before = stage.decided()
    await stage.runner.close()
    assert stage.runner.under_way == frozenset()
    assert stage.decided() == before
    stage.clock.move(1000)
    assert stage.decided() == before
    await stage.runner.close()


async def test_a_task_that_fails_is_logged(stage: Stage) -> None:
    async def refuse(*_: object) -> bool:
        raise RuntimeError("secret text")

    stage.writer.write = refuse  # type: ignore[method-assign,assignment]  # a writer that breaks its promise
    with structlog.testing.capture_logs() as logs:
        stage.runner.feed(status(of="1"))
        await settle_down()
    assert [log["event"] for log in logs] == ["task failed"]


async def test_starting_takes_up_what_is_open() -> None:
    first = Stage()
    await first.runner.start()
    first.runner.feed(login())
    await first.pay()
    await first.runner.close()
    second = Stage(journal=first.journal)
    await second.runner.start()
    await settle_down()
    assert second.platform.asked == ["find_card"]
    assert second.runner.now() == second.clock.time
    await second.runner.close()
    assert Started.__name__ in [entry.name for entry in second.journal.entries]
