"""What is in hand: who holds a terminal, what runs for a pair, who waits."""

from __future__ import annotations

from nexo_bridge.core.signals import PosGone
from nexo_bridge.nexo.messages import MessageReference
from tests.core.playbook import answered, asked, found, named, open_for, rang
from tests.core.words import IDLE, LOST, A, B, abort, login, payment, status


def test_a_request_that_waits_for_the_journal_is_in_progress_too() -> None:
    play = open_for() >> payment()
    play << "look up"
    play >> status(of="1", source=B) << "reply Failure/InProgress to B"
    assert play.bridge.unresolved == 1


def test_what_runs_on_another_terminal_is_another_matter() -> None:
    play = asked()
    (play >> login(poi="POI2")).skip()
    play >> payment(service="2", poi="POI2") << "look up"
    play >> abort(of="2", poi="POI2")
    assert play.silent
    play >> found << "journal Received" << "journal Wished" << "journal Settled" << "reply Failure/Aborted"


def test_a_look_up_for_another_terminal_holds_nothing_here() -> None:
    play = open_for()
    (play >> login(poi="POI2")).skip()
    play >> payment(poi="POI2", source=B) << "look up"
    play >> payment(service="2") << "look up"
    play.lookups.reverse()
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_only_who_is_gone_is_forgotten() -> None:
    play = open_for()
    (play >> login(poi="POI2")).skip()
    play >> payment() << "look up"
    play >> payment(service="2", poi="POI2", source=B) << "look up"
    play >> PosGone(source=B)
    play >> found << "journal Received" << "journal Asking" << "call create_card"
    play.skip()
    play >> found
    assert play.silent


def test_r6_the_running_one_is_never_the_parked_one_that_let_its_terminal_go() -> None:
    play = (named() >> rang("customer_time")).skip()
    (play >> answered("terminal_abort", LOST)).skip()
    (play >> rang("answer_by")).skip()
    (play >> rang("look")).skip()
    (play >> answered("terminal_status", IDLE)).skip()
    asked(payment(service="2", source=A), play)
    play >> abort(about=MessageReference(message_category="Payment")) << "journal Wished"
    assert play.last["Wished"].exchange == play.last["Received"].exchange
