"""What two calls at once can do to a course; the stories are in test_r4_certainty, test_r5_deadlines, test_r6_stops."""

from __future__ import annotations

from dataclasses import replace

from tests.core.playbook import answered, asked, named, open_for, rang
from tests.core.words import LOST, POLICY, abort, approved, event, pending


def test_r6_named_by_an_event_while_the_create_is_lost_it_is_stopped_by_name() -> None:
    play = asked()
    (play >> event(pending(play.key()))).skip()
    play >> abort() << "journal Wished"
    play >> answered("create_card", LOST) << "call terminal_abort" << "call read_card"


def test_looks_and_the_create_are_never_under_way_together() -> None:
    play = asked()
    (play >> event(pending(play.key()))).skip()
    play >> rang("look")
    assert play.silent


def test_a_terminal_taken_out_of_the_configuration_does_not_stop_its_payment() -> None:
    play = named()
    play.policy = replace(POLICY, terminals={})
    play.restart().skip()
    play >> answered("read_card", approved) << "journal Settled"
    play.skip()


def test_a_terminal_whose_events_come_by_themselves_is_read_only_now_and_then() -> None:
    terminals = {**POLICY.terminals, "POI1": replace(POLICY.terminals["POI1"])}
    play = named(play=open_for(policy=replace(POLICY, terminals=terminals)))
    play >> rang("look") << "call read_card"
