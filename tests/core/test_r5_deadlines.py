"""R5: deadlines in order, parking, what the cashier sees, and when a terminal is free again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexo_bridge.core.signals import AlarmRang, PosGone
from nexo_bridge.policy import Certainty, Deadlines, SalePolicy
from nexo_bridge.ppaas.models import Outcome
from tests.core.playbook import Play, answered, asked, found, named, open_for, rang, written
from tests.core.words import (
    ABSENT,
    ACCEPTED,
    BUSY,
    IDLE,
    LOST,
    POLICY,
    QR_CODE,
    A,
    B,
    approved,
    declined,
    login,
    payment,
    pending,
    status,
)


def parked(*capabilities: str, policy: SalePolicy | None = None) -> Play:
    """A pending card payment nobody heard the end of: its stop was lost, and the time to answer passed."""
    whole = replace(POLICY, sales={"TILL": policy or SalePolicy()})
    play = (named(play=open_for(*capabilities, policy=whole)) >> rang("customer_time")).skip()
    (play >> answered("terminal_abort", LOST)).skip()
    return play


def test_r5_a_stop_is_sent_when_the_customers_time_is_over() -> None:
    play = named() >> rang("customer_time")
    play << "journal Wished" << "call terminal_abort"
    assert play.last["Wished"].body["by"] == "deadline"


def test_r5_deadlines_are_those_of_the_pos() -> None:
    own = SalePolicy(deadlines=Deadlines(10, 20, 30, 40))
    play = open_for(policy=replace(POLICY, sales={"TILL": own})) >> payment()
    (play << "look up") >> found
    play << "journal Received" << "journal Asking" << "call create_card"
    play << "wake customer_time +20" << "wake answer_by +30"


def test_r5_after_a_restart_the_rest_of_each_deadline_counts_from_the_request() -> None:
    play = named().wait(30).restart()
    play << "wake customer_time +45" << "wake answer_by +70" << "call read_card"


def test_f39_a_clock_set_back_prolongs_no_deadline() -> None:
    play = named()
    play.now -= 3600
    play.restart()
    play << "wake customer_time +75" << "wake answer_by +100" << "call read_card"


def test_r5_deadlines_that_passed_while_the_process_was_away_ring_at_once() -> None:
    play = named().wait(500).restart()
    play << "wake customer_time -425" << "wake answer_by -400" << "call read_card"
    play >> rang("answer_by") << "journal Parked" << "raise PARKED"


def test_r5_at_answer_by_nothing_is_answered_and_people_are_told() -> None:
    play = parked() >> rang("answer_by")
    play << "journal Parked" << "raise PARKED"
    assert play.bridge.parked == 1
    assert not play.bridge.waited_for  # nobody waits for what is parked
    play >> status(of="1", source=B) << "reply Failure/InProgress to B"
    assert "Do not charge again" in play.replies[-1].data.decode()
    (play >> rang("look")).skip()
    play >> answered("read_card", declined, status="CANCELLED")
    play << "journal Settled" << "reply Failure/Aborted"
    play.skip()


def test_r5_a_pos_with_a_cashier_display_is_told_not_to_charge_again() -> None:
    play = parked("CashierDisplay") >> rang("answer_by")
    play << "journal Parked" << "raise PARKED" << "show CashierDisplay"
    assert "Do not charge again" in play.replies[-1].data.decode()


def test_r5_nobody_waits_nobody_is_shown_anything() -> None:
    play = parked("CashierDisplay") >> PosGone(source=A)
    play >> rang("answer_by") << "journal Parked" << "raise PARKED"


def test_r5_a_pos_that_cannot_wait_gets_a_provisional_answer_and_fetches_the_outcome() -> None:
    play = parked(policy=SalePolicy(on_unknown="answer")) >> rang("answer_by")
    play << "journal Parked" << "raise PARKED" << "reply Failure/InProgress"
    assert "retry=check" in play.replies[-1].data.decode()
    (play >> rang("look")).skip()
    play >> answered("read_card", declined)
    play << "journal Settled"
    play.skip()
    play >> status(of="1") << "look up"
    play >> found << "reply Success"


def test_r5_a_repeat_after_a_provisional_answer_waits_for_the_final_one() -> None:
    play = (parked(policy=SalePolicy(on_unknown="answer")) >> rang("answer_by")).skip()
    play >> payment(source=B)
    (play >> rang("look")).skip()
    play >> answered("read_card", declined)
    play << "journal Settled" << "reply Failure/Refusal to B"
    play.skip()


def test_r5_looks_of_a_parked_exchange_grow_apart_up_to_a_minute() -> None:
    play = asked() >> answered("create_card", LOST)
    (play.skip() >> rang("answer_by")).skip()
    play >> answered("find_card", LOST)
    pauses = []
    for _ in range(14):
        play.skip()
        before = play.now
        play >> rang("look")
        pauses.append(round(play.now - before, 1))
        (play.skip() >> answered("find_card", LOST)).skip()
        play.calls.clear()
    assert pauses[-1] == 60.0
    assert pauses == sorted(pauses)


# -- the terminal ---------------------------------------------------------------------------------------------------


def next_customer(play: Play) -> str:
    """What the next payment on that terminal gets."""
    (play >> payment(service="2", source=B)).skip()
    play >> found
    created = "Asking" in [entry.name for entry in play.journal.decisions()[-1:]]
    play.skip()
    return "charged" if created else "busy"


@pytest.mark.parametrize(
    ("outcome", "then"),
    [(IDLE, "charged"), (BUSY, "busy"), (LOST, "busy")],
    ids=lambda one: getattr(one, "state", ""),
)
def test_r5_a_parked_exchange_with_a_name_frees_its_terminal_only_if_that_is_idle(
    outcome: Outcome, then: str
) -> None:
    play = (parked() >> rang("answer_by")).skip()
    play >> rang("look") << "call read_card" << "call terminal_status"
    play >> answered("terminal_status", outcome)
    assert next_customer(play) == then


def test_r5_a_parked_exchange_without_a_name_does_not_free_its_terminal() -> None:
    play = (asked() >> answered("create_card", LOST)).skip()
    (play >> rang("answer_by")).skip()
    (play >> answered("find_card", LOST)).skip()
    (play >> rang("look")).skip()
    (play >> answered("terminal_status", IDLE)).skip()
    assert next_customer(play) == "busy"


def test_r5_a_parked_exchange_whose_fence_was_accepted_frees_its_terminal() -> None:
    slow = Certainty(after=600.0)
    play = asked(play=open_for(policy=replace(POLICY, certainty=slow)))
    (play >> answered("create_card", LOST)).skip()
    (play >> rang("customer_time")).skip()
    (play >> answered("fence_card", ACCEPTED)).skip()
    (play >> answered("find_card", ABSENT)).skip()
    (play >> rang("answer_by")).skip()
    (play >> rang("look")).skip()
    (play >> answered("terminal_status", IDLE)).skip()
    assert next_customer(play) == "charged"


def test_r5_an_idle_terminal_is_not_free_before_the_exchange_is_parked() -> None:
    play = named()
    assert next_customer(play) == "busy"


def test_r5_status_is_asked_once_at_a_time() -> None:
    play = (parked() >> rang("answer_by")).skip()
    (play >> rang("look")).skip()
    (play >> answered("read_card", LOST)).skip()
    play >> rang("look") << "call read_card"


# -- displays -------------------------------------------------------------------------------------------------------


def test_r5_a_qr_code_is_shown_once_on_the_terminal_and_on_the_pos() -> None:
    play = open_for("CustomerDisplay", policy=POLICY)
    (play >> login("CustomerDisplay", poi="QR")).skip()
    asked(payment(poi="QR"), play)
    play >> answered("create_qr", pending, device_id="SER3", qr=QR_CODE)
    play << "journal Acknowledged" << "call terminal_display" << "show CustomerDisplay" << "wake look +0.5"
    (play >> rang("look")).skip()
    play >> answered("read_qr", pending, device_id="SER3", qr=QR_CODE) << "wake look +0.8"
    play >> answered("terminal_display", LOST)
    assert play.silent
    (play >> rang("look")).skip()
    play >> answered("read_qr", pending, device_id="SER3", qr=QR_CODE, status="IN_PROGRESS")
    play << "show CustomerDisplay" << "wake look +1.28"


def test_r5_a_qr_code_is_shown_on_the_terminal_alone_where_the_pos_has_no_display() -> None:
    play = open_for()
    (play >> login(poi="QR")).skip()
    asked(payment(poi="QR"), play)
    play >> answered("create_qr", pending, device_id="SER3", qr=QR_CODE)
    play << "journal Acknowledged" << "call terminal_display" << "wake look +0.5"


def test_r5_displays_answered_late_change_nothing() -> None:
    play = open_for()
    (play >> login(poi="QR")).skip()
    asked(payment(poi="QR"), play)
    (play >> answered("create_qr", pending, device_id="SER3", qr=QR_CODE)).skip()
    (play >> rang("look")).skip()
    play >> answered("read_qr", approved, device_id="SER3") << "journal Settled" << "reply Success"
    play >> written << "journal Delivered"
    play >> answered("terminal_display", approved, device_id="SER3") << "forget"


@pytest.mark.parametrize("alarm", ["answer_by", "customer_time"])
def test_r5_a_deadline_after_the_end_means_nothing(alarm: str) -> None:
    play = (named() >> rang("look")).skip()
    (play >> answered("read_card", approved)).skip()  # settled, and not written yet
    play >> rang(alarm)
    assert play.silent


def test_r5_an_exchange_is_parked_once() -> None:
    play = (parked() >> rang("answer_by")).skip()
    play >> AlarmRang(exchange=play.bridge.in_hand()[0]["exchange"], alarm="answer_by")
    assert play.silent
