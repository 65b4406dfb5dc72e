"""The one door: what the rules' stories do not touch. The rules themselves: test_exchange, test_sameness, test_r4_…"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nexo_bridge.categories.plan import Category, Nothing
from nexo_bridge.core import bridge, counter
from nexo_bridge.core.signals import PosGone, Reconfigured
from nexo_bridge.policy import Policy, SalePolicy
from tests.core.playbook import BROKE, answered, asked, found, named, open_for, rang, written
from tests.core.words import A, B, approved, diagnosis, payment


def test_a_payment_from_end_to_end() -> None:
    play = open_for() >> payment()
    (play << "look up") >> found
    play << "journal Received" << "journal Asking" << "call create_card"
    play << "wake customer_time +75" << "wake answer_by +100"
    assert play.bridge.unresolved == 1
    assert play.bridge.waited_for
    play >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"
    assert not play.bridge.waited_for
    play >> written << "journal Delivered" << "forget"
    assert play.bridge.unresolved == 0


def test_r11_who_is_gone_gets_nothing_and_the_exchange_is_forgotten() -> None:
    play = asked() >> PosGone(source=A)
    assert play.silent
    play >> answered("create_card", approved) << "journal Acknowledged" << "journal Settled" << "forget"


def test_r11_who_goes_before_the_answer_is_written_is_let_go() -> None:
    play = (asked() >> answered("create_card", approved)).skip()
    play >> PosGone(source=B)
    assert play.silent
    play >> PosGone(source=A) << "forget"
    play >> written
    assert play.silent


def test_r11_a_reconnect_gets_nothing_unasked() -> None:
    play = (asked() >> PosGone(source=A)).skip()
    play >> diagnosis(source=B)
    (play.skip() >> answered("create_card", approved)).skip()
    assert all(reply.exchange == "" for reply in play.replies if reply.source == B)


def test_a_plan_that_is_known_at_once_is_answered_and_remembered() -> None:
    play = open_for() >> payment(kind="Refund")
    (play << "look up") >> found
    play << "journal Received" << "journal Settled" << "reply Failure/UnavailableService" << "forget"
    play >> payment(kind="Refund") << "look up"
    play >> found << "reply Failure/UnavailableService"


def test_a_refusal_nobody_waits_for_is_remembered_all_the_same() -> None:
    play = open_for() >> payment(service="9", poi="NOWHERE")
    play << "look up"
    play >> payment("11.00", service="9", poi="NOWHERE", present=False)
    play << "journal Received" << "journal Settled" << "forget"


def test_a_new_configuration_holds_from_now_on_also_for_what_runs() -> None:
    play = named()
    answering: Policy = replace(play.policy, default_sale=SalePolicy(on_unknown="answer"))
    play >> Reconfigured(policy=answering)
    (play >> rang("customer_time")).skip()
    play >> rang("answer_by")
    play << "journal Parked" << "raise PARKED" << "reply Failure/InProgress"
    play >> Reconfigured(policy=replace(answering, terminals={}))
    play >> diagnosis() << "reply Failure/UnavailableDevice"
    assert play.bridge.terminals() == ()


def test_an_event_while_broken_about_nothing_in_hand_is_served() -> None:
    play = (open_for() >> BROKE).skip()
    play >> diagnosis() << "call terminal_status" << "wake inquiry +10"


def misplanned(name: str) -> dict[str, Category[Any, Any]]:
    return {name: Category(name, plan=lambda *_: Nothing(), sessionless=True, overlaps=True)}


def test_a_money_category_that_plans_no_money_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    play = open_for() >> payment()
    play << "look up"
    monkeypatch.setattr(bridge, "BY_NAME", misplanned("Payment"))
    with pytest.raises(AssertionError, match="Payment planned Nothing"):
        play >> found


def test_another_category_that_plans_what_is_not_served_is_a_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    play = open_for()
    monkeypatch.setattr(counter, "BY_NAME", misplanned("Diagnosis"))
    with pytest.raises(AssertionError, match="Diagnosis planned Nothing"):
        play >> diagnosis()


def test_r14_what_was_put_right_is_journalled_with_the_exchange() -> None:
    play = open_for() >> payment().model_copy(update={"tolerated": {"missing-zone": 1}})
    play << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"
    assert play.last["Received"].public["tolerated"] == {"missing-zone": 1}
