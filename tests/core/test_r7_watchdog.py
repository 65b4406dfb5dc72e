"""R7: where results come by themselves, a look is for those that do not; it waits from the last event on."""

from __future__ import annotations

from dataclasses import replace

from nexo_bridge.policy import Policy, Terminal
from tests.core.playbook import Play, answered, asked, named, open_for, rang
from tests.core.words import LOST, POLICY, abort, approved, event, pending

PUSHED: Policy = replace(
    POLICY, terminals={**POLICY.terminals, "POI1": Terminal("POI1", "SER1", watchdog=20.0)}
)


def running() -> Play:
    """A payment at a terminal with a channel: pending, and its transactionId is on disk."""
    return named(play=open_for(policy=PUSHED))


def test_r7_the_first_look_is_the_watchdogs() -> None:
    play = asked(play=open_for(policy=PUSHED))
    play >> answered("create_card", pending) << "journal Acknowledged" << "wake look +20"


def test_r7_each_event_resets_it_and_so_does_a_look() -> None:
    play = running().wait(19)
    play >> event(pending(play.key(), status="PIN_ENTRY"), sequence=3) << "accept" << "wake look +20"
    play >> rang("look") << "call read_card"
    play >> answered("read_card", pending) << "wake look +20"
    play >> rang("look") << "call read_card"
    play >> answered("read_card", LOST) << "wake look +20"


def test_r7_an_end_that_an_event_only_hints_at_is_pursued() -> None:
    play = running()
    play >> event(approved(play.key())) << "accept" << "call read_card"
    play >> answered("read_card", pending) << "wake look +0.5"
    play >> rang("look") << "call read_card"
    play >> answered("read_card", approved) << "journal Settled" << "reply Success"


def test_r6_a_wish_is_pursued() -> None:
    play = (running() >> abort()).skip()
    (play >> answered("terminal_abort", LOST)).skip()
    if not any(call.operation == "read_card" for call in play.calls):
        play >> rang("look") << "call read_card"
    (play >> answered("read_card", pending)).skip()
    [due] = [wall for (_, alarm), wall in play.alarms.items() if alarm == "look"]
    assert due - play.now < 20


def test_r4_a_create_whose_answer_is_lost_is_looked_for_at_once() -> None:
    play = asked(play=open_for(policy=PUSHED))
    play >> answered("create_card", LOST) << "call find_card"
