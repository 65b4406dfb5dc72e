"""R13 and R11 for places that outlive connections: what is acknowledged when, and that every answer arrives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexo_bridge.core.signals import Arrived, PosGone, Refused, Started
from nexo_bridge.core.source import Source
from nexo_bridge.policy import SalePolicy
from tests.core.playbook import (
    BROKE,
    Play,
    answered,
    asked,
    found,
    named,
    not_readable,
    open_for,
    paid,
    rang,
    reread,
    written,
)
from tests.core.words import (
    LOST,
    POLICY,
    A,
    B,
    abort,
    approved,
    declined,
    diagnosis,
    login,
    payment,
    status,
    unreadable,
)

HERE = Source("mqtt", "nexo/TILL/POI1/to-sale", address="nexo/TILL/POI1/to-sale")
THERE = Source("mqtt", "nexo/TILL/POI1/to-sale", address="nexo/TILL/POI1/to-sale/7")
RETAINED = Refused(condition="NotAllowed", code="NB-106", retry="yes", at="", text="It was retained.")


def published(ack: int = 1, source: Source = HERE, **words: object) -> Arrived:
    return payment(source=source, ack=ack, **words)  # type: ignore[arg-type]  # the words' own


def by_mqtt(play: Play | None = None) -> Play:
    """A payment was published and asked of the platform."""
    return (((play or open_for()) >> published()).skip() >> found).skip()


# -- when it is acknowledged ----------------------------------------------------------------------------------------


def test_r13_a_money_request_is_acknowledged_behind_its_received() -> None:
    play = open_for() >> published()
    (play << "look up") >> found
    play << "journal Received" << "accept" << "journal Asking" << "call create_card"
    assert play.skip().bridge.unresolved == 1


def test_r13_a_refused_one_is_acknowledged_once_its_refusal_is_out() -> None:
    play = open_for() >> published(poi="NOWHERE")
    (play << "look up") >> found
    play << "journal Received" << "journal Settled"
    play << f"reply Failure/UnavailableDevice to {HERE.connection}, then accept" << "forget"


def test_r13_one_brought_again_while_the_journal_is_asked_is_acknowledged_with_the_first() -> None:
    play = open_for() >> published(1)
    play << "look up"
    play >> published(2)
    assert play.silent
    play >> found << "journal Received" << "accept" << "accept" << "journal Asking"
    play.skip()


def test_r13_one_brought_again_after_a_crash_joins_and_is_acknowledged() -> None:
    play = by_mqtt().restart().skip()
    play >> published(2) << "accept"
    play >> answered("find_card", approved) << "journal Acknowledged" << "journal Settled"
    play << f"reply Success to {HERE.connection}"


def test_r13_one_brought_again_after_it_ended_gets_the_stored_answer() -> None:
    play = (by_mqtt() >> answered("create_card", approved)).skip()
    first = play.replies[-1].data
    (play >> written).skip()
    play = play.restart().skip()
    (play >> published(2)) << "look up"
    play >> found << f"reply Success to {HERE.connection}, then accept"
    assert play.replies[-1].data == first


def test_r13_a_mismatch_is_acknowledged_once_its_refusal_is_out() -> None:
    play = by_mqtt()
    play >> published(2, amount="11.00") << "journal Received" << "journal Settled"
    play << f"reply Failure/MessageFormat to {HERE.connection}, then accept" << "forget"


def test_r13_a_repeat_from_a_connection_that_is_gone_is_acknowledged_too() -> None:
    play = paid()
    play >> payment(source=B, ack=2) << "look up"
    play >> PosGone(source=B)
    play >> found << "accept"


def test_r13_one_whose_place_is_gone_is_acknowledged_and_not_begun() -> None:
    play = open_for() >> payment(ack=1, present=False) << "accept"
    play >> payment(ack=2) << "look up"
    play >> PosGone(source=A)
    play >> found << "accept"
    assert "Received" not in play.events


def test_r13_a_refusal_nobody_waits_for_is_acknowledged_when_it_is_on_disk() -> None:
    play = open_for() >> payment(ack=1, poi="NOWHERE") << "look up"
    play >> PosGone(source=A)
    play >> payment("11.00", service="2", source=B, ack=2, present=False, poi="NOWHERE") << "accept"
    play >> payment("11.00", ack=3, poi="NOWHERE", present=False)
    play << "journal Received" << "journal Settled" << "accept" << "forget"


def test_r13_no_room_is_told_and_acknowledged() -> None:
    play = open_for() >> published().model_copy(update={"room": False}) << "look up"
    play >> found << f"reply Failure/Busy to {HERE.connection}, then accept"
    play >> payment(ack=2).model_copy(update={"room": False}) << "look up"
    play >> PosGone(source=A)
    play >> found << "accept"


def test_r13_while_the_journal_is_broken_nothing_is_acknowledged_and_nobody_is_told_what_may_not_stay_so() -> (
    None
):
    play = (open_for() >> BROKE).skip()
    play >> published() << "look up"
    play >> found
    assert play.silent
    play >> published(2) << "look up"
    play >> not_readable
    assert play.silent


def test_r13_joining_while_the_journal_is_broken_writes_nothing() -> None:
    play = (asked() >> BROKE).skip()
    play >> published(2) << "accept"  # which waits for its input, and that is lost
    assert "Joined" not in play.events


@pytest.mark.parametrize(
    "request_", [login(ack=4, source=HERE), status(ack=4, source=HERE)], ids=["login", "status"]
)
def test_r13_another_request_is_acknowledged_once_its_answer_is_out(request_: Arrived) -> None:
    play = (paid() >> request_).skip()
    if play.lookups:
        assert not any(reply.accepts for reply in play.replies)
        (play >> found).skip()
    assert [one.ack for one in play.replies[-1].accepts] == [4]


def test_r13_a_diagnosis_takes_its_time_and_is_acknowledged_at_once() -> None:
    open_for() >> diagnosis(ack=4) << "call terminal_status" << "wake inquiry +10" << "accept"


def test_r13_a_question_asked_twice_is_acknowledged_both_times_with_its_answer() -> None:
    play = open_for() >> status(of="9", ack=4) << "look up"
    assert (play >> status(of="9", ack=5)).silent
    play >> found << "reply Failure/NotFound, then accept, then accept"
    assert [one.ack for one in play.replies[-1].accepts] == [4, 5]


def test_r13_an_abort_is_acknowledged_behind_the_wish() -> None:
    named() >> abort(ack=4) << "journal Wished" << "call terminal_abort" << "accept"


def test_r13_an_abort_the_journal_knows_nothing_about_is_acknowledged_all_the_same() -> None:
    play = open_for() >> abort("9", ack=4) << "look up"
    play >> not_readable << "accept"


def test_r13_what_cannot_be_read_is_acknowledged_too() -> None:
    play = open_for() >> unreadable(ack=4) << "reply Failure/MessageFormat, then accept"
    play >> unreadable(ack=5, header={"kind": "response"}) << "accept"


# -- what the transport refuses: F82, F83 ---------------------------------------------------------------------------


def refused(request_: Arrived) -> Arrived:
    return request_.model_copy(update={"refused": RETAINED})


def test_f82_a_retained_payment_is_refused_and_that_is_its_settled_answer() -> None:
    play = open_for() >> refused(published()) << "look up"
    play >> found << "journal Received" << "journal Settled"
    play << f"reply Failure/NotAllowed to {HERE.connection}, then accept" << "forget"
    play >> published(2) << "look up"
    play >> found << f"reply Failure/NotAllowed to {HERE.connection}, then accept"
    assert "Asking" not in play.events


def test_f82_a_retained_copy_of_a_payment_that_was_made_gets_that_answer() -> None:
    play = ((by_mqtt() >> answered("create_card", approved)).skip() >> written).skip()
    play >> refused(published(2)) << "look up"
    play >> found << f"reply Success to {HERE.connection}, then accept"


def test_f82_a_retained_login_is_refused() -> None:
    open_for() >> refused(login(ack=4)) << "reply Failure/NotAllowed, then accept"


# -- where the answer goes: R11 -------------------------------------------------------------------------------------


def test_r11_killed_before_it_was_asked_the_answer_says_so_after_the_restart() -> None:
    play = open_for() >> published() << "look up"
    (play >> found).skip()
    play = play.restart(kept=2)  # LoggedIn, Received
    play << "journal Settled" << f"reply Failure/Busy to {HERE.connection}"
    play >> written << "journal Delivered" << "forget"


def test_r11_the_answer_of_an_unknown_payment_is_published_after_the_restart() -> None:
    play = (by_mqtt() >> answered("create_card", LOST)).skip().restart().skip()
    play >> answered("find_card", approved) << "journal Acknowledged" << "journal Settled"
    play << f"reply Success to {HERE.connection}"
    assert play.replies[-1].source.address == HERE.address
    play >> written << "journal Delivered" << "forget"
    assert play.restart().silent


def test_r11_settled_and_not_written_is_published_after_the_restart_as_it_is_stored() -> None:
    play = (by_mqtt() >> answered("create_card", approved)).skip()
    first = play.replies[-1].data
    for _ in range(2):  # killed again before it was out
        play = play.restart() << f"reply Success to {HERE.connection}"
        assert play.replies[-1].data == first
    assert not play.bridge.waited_for
    play >> written << "journal Delivered" << "forget"
    assert play.restart().silent


def test_r11_settled_and_not_written_does_not_hold_the_terminal() -> None:
    play = (by_mqtt() >> answered("create_card", approved)).skip().restart().skip()
    play >> published(2, service="2") << "look up"
    play >> found << "journal Received" << "accept" << "journal Asking"
    play.skip()


def test_r11_also_when_the_journal_broke_meanwhile() -> None:
    play = (by_mqtt() >> answered("create_card", approved)).skip()
    (play >> BROKE).skip()
    play >> reread << f"reply Success to {HERE.connection}"


def test_r11_an_answer_that_could_not_be_written_for_a_week_is_left_to_transaction_status() -> None:
    play = (by_mqtt() >> answered("create_card", declined)).skip()
    play = play.wait(POLICY.keys_kept + 1).restart()
    play << "journal Undelivered" << "forget"
    assert play.restart().silent


def test_r11_a_connection_gets_nothing_after_a_restart() -> None:
    play = (asked() >> answered("create_card", approved)).skip()
    assert play.restart().silent


def test_r11_the_newest_who_asked_gets_the_answer_and_it_is_written_down_who_that_is() -> None:
    play = asked()  # by a connection
    play >> published(2) << "journal Joined" << "accept"
    play >> published(3) << "accept"  # the same place once more
    play >> published(4, source=THERE) << "journal Joined" << "accept"
    play = play.restart().skip()
    (play >> answered("find_card", approved)).skip(until=f"reply Success to {HERE.connection}")
    play.skip()
    assert play.replies[-1].source.address == THERE.address


def test_r11_a_connection_that_joined_and_went_leaves_the_answer_to_the_place_that_lasts() -> None:
    play = by_mqtt()
    (play >> payment(source=B)).skip()
    (
        play
        >> answered("create_card", approved)
        << "journal Acknowledged"
        << "journal Settled"
        << "reply Success to B"
    )
    play >> PosGone(source=B) << f"reply Success to {HERE.connection}"
    play >> written << "journal Delivered" << "forget"


def test_r5_who_was_told_that_it_is_not_known_is_not_told_more_after_a_restart() -> None:
    answering = replace(POLICY, default_sale=SalePolicy(on_unknown="answer"))
    play = by_mqtt(((Play(answering) >> Started()) >> login()).skip())
    play = (play >> answered("create_card", LOST)).skip()
    (play >> rang("customer_time")).skip()
    (play >> rang("answer_by")).skip()
    play = play.restart().skip()
    play >> answered("find_card", approved)
    assert not [reply for reply in play.skip().replies if b'"Success"' in reply.data and reply.settles]
