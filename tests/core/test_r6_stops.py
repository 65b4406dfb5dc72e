"""R6: an abort is a wish without a response; and when "approved" may be believed after a stop."""

from __future__ import annotations

import pytest

from nexo_bridge.nexo.messages import MessageReference
from nexo_bridge.ppaas.models import NotSent, Outcome
from tests.core.playbook import (
    BROKE,
    Act,
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
    ABSENT,
    ACCEPTED,
    LOST,
    NOT_SENT,
    B,
    abort,
    approved,
    declined,
    login,
    payment,
    pending,
)

SWITCHED_OFF = NotSent(code="CANCEL_NOT_ALLOWED", reason="403", status=403)


def stopping() -> Play:
    """A pending card payment; its stop is on its way."""
    play = named() >> abort()
    return play << "journal Wished" << "call terminal_abort"


# -- whom it reaches ------------------------------------------------------------------------------------------------


def test_r6_before_the_transaction_id_is_known_the_wish_waits_for_it() -> None:
    play = asked() >> abort()
    play << "journal Wished"
    play >> answered("create_card", pending)
    play << "journal Acknowledged" << "call terminal_abort" << "wake look +0.5"


def test_r6_a_wish_while_the_create_is_lost_becomes_a_fence() -> None:
    play = (asked() >> abort()).skip()
    play >> answered("create_card", LOST) << "journal Fenced" << "call fence_card" << "call find_card"
    play >> answered("fence_card", ABSENT) << "journal Settled" << "reply Failure/Aborted"


def test_r6_a_wish_then_a_create_that_was_never_sent() -> None:
    play = (asked() >> abort()).skip()
    play >> answered("create_card", NOT_SENT) << "journal Settled" << "reply Failure/UnreachableHost"


def test_r6_a_create_that_answers_approved_after_a_wish_was_never_stopped() -> None:
    play = (asked() >> abort()).skip()
    play >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


def test_r6_two_aborts_are_one_wish_and_the_deadline_is_the_same_wish() -> None:
    play = stopping()
    play >> abort(service="A2")
    assert play.silent
    play >> rang("customer_time")
    assert play.silent
    assert play.last["Wished"].body["service_id"] == "A1"


@pytest.mark.parametrize(
    "about",
    [
        MessageReference(message_category="Payment"),
        MessageReference(service_id="1"),
        MessageReference(message_category="Payment", service_id="1", sale_id="TILL", poi_id="POI1"),
    ],
    ids=["the running one", "by ServiceID alone", "by everything"],
)
def test_r6_ways_to_name_the_payment(about: MessageReference) -> None:
    play = named() >> abort(about=about)
    play << "journal Wished" << "call terminal_abort"


def test_r6_an_abort_from_another_terminals_dialogue_names_it() -> None:
    reference = MessageReference(message_category="Payment", service_id="1", poi_id="POI1")
    play = named() >> abort(about=reference, poi="POI2")
    play << "journal Wished" << "call terminal_abort"


@pytest.mark.parametrize(
    "act",
    [
        abort(about=MessageReference(service_id="1", sale_id="TILL"), sale="OTHER"),
        abort(about=MessageReference(device_id="9")),
    ],
    ids=["another SaleID", "a device exchange"],
)
def test_r6_what_is_not_its_own_is_rejected(act: Act) -> None:
    play = named() >> act
    play << "event Reject"


def test_r6_an_abort_of_another_sale_id_never_reaches_ours() -> None:
    play = named() >> abort(of="1", sale="OTHER")
    play << "look up"
    play >> found << "event Reject"


def test_r6_an_abort_when_nothing_runs_is_rejected_with_its_message() -> None:
    play = open_for() >> abort(of=None)
    play << "event Reject"
    assert "NB-322" in play.replies[-1].data.decode()
    assert "<RejectedMessage>" in play.replies[-1].data.decode()


def test_r6_an_abort_of_what_is_unknown_is_rejected() -> None:
    play = open_for() >> abort(of="77")
    play << "look up"
    play >> found << "event Reject"


def test_r6_an_abort_of_what_has_ended_is_told_so() -> None:
    play = paid() >> abort()
    play << "look up"
    play >> found << "event Completed"


def test_r6_an_abort_of_another_category_under_that_service_id_is_rejected() -> None:
    play = paid() >> abort(about=MessageReference(message_category="Reversal", service_id="1"))
    play << "look up"
    play >> found << "event Reject"


def test_r6_an_abort_is_silent_when_the_journal_cannot_be_read() -> None:
    play = open_for() >> abort(of="77")
    (play << "look up") >> not_readable
    assert play.silent


def test_r6_an_abort_needs_no_login_and_is_never_busy() -> None:
    play = open_for() >> abort(of=None, sale="STRANGER")
    play << "event Reject"


def test_r6_a_wish_is_kept_while_the_journal_is_broken() -> None:
    play = (named() >> BROKE).skip()
    play >> abort()
    assert play.silent
    play >> reread
    play << "wake customer_time +75" << "wake answer_by +100" << "call read_card"
    play << "journal Wished" << "call terminal_abort"


def test_r6_a_wish_kept_for_what_has_ended_meanwhile_is_dropped() -> None:
    play = (named() >> BROKE).skip()
    play >> abort()
    play.journal.crash(1)
    play >> reread
    assert play.silent


# -- which stop -----------------------------------------------------------------------------------------------------


def test_r6_a_card_is_stopped_at_the_terminal_by_name_never_voided() -> None:
    play = stopping()
    call = play.calls[-1]
    assert call.operation == "terminal_abort"
    assert call.body is not None
    assert call.body.model_dump() == {"transaction_id": "pp-1"}


def test_r6_a_qr_code_is_cancelled_under_a_key_of_its_own() -> None:
    play = open_for()
    (play >> login(poi="QR")).skip()
    asked(payment(poi="QR"), play)
    (play >> answered("create_qr", pending, device_id="SER3")).skip()
    play >> abort(poi="QR") << "journal Wished" << "call cancel_qr"
    call = play.calls[-1]
    assert call.path == (("transactionId", "pp-1"),)
    assert call.key != play.key()


# -- how it ends ----------------------------------------------------------------------------------------------------


def stopped(outcome: Outcome) -> Play:
    """The stop was answered with ``outcome``; a look is under way."""
    play = stopping() >> answered("terminal_abort", outcome)
    return play << "call read_card"


@pytest.mark.parametrize(
    ("status", "code", "ending"),
    [
        ("CANCELLED", None, "Aborted"),
        ("CANCELLED", "CUSTOMER_CANCELLED", "Cancel"),
        ("DECLINED", "WRONG_PIN", "WrongPIN"),
        ("EXPIRED", None, "Cancel"),
        ("FAILED", None, "Refusal"),
    ],
)
def test_r6_a_final_no_settles_at_once(status: str, code: str | None, ending: str) -> None:
    play = stopped(ACCEPTED) >> answered("read_card", declined, status=status, decline_code=code)
    play << "journal Settled" << f"reply Failure/{ending}" << "wake look +60"


def test_r6_approved_is_believed_only_sixty_seconds_after_an_accepted_stop() -> None:
    play = stopped(ACCEPTED) >> answered("read_card", approved)
    play << "wake look +60"
    play >> rang("look") << "call read_card"
    play >> answered("read_card", approved) << "journal Settled" << "reply Success"


def test_r6_a_read_begun_before_the_sixty_seconds_is_not_believed_when_it_comes_back_later() -> None:
    play = stopped(ACCEPTED).wait(70)
    play >> answered("read_card", approved) << "wake look +0"
    (play >> rang("look") << "call read_card") >> answered("read_card", approved)
    play << "journal Settled" << "reply Success"


def test_r6_approved_then_cancelled_before_that_is_legal() -> None:
    play = (stopped(ACCEPTED) >> answered("read_card", approved)).skip()
    (play >> rang("look")).skip()
    play >> answered("read_card", declined, status="CANCELLED")
    play << "journal Settled" << "reply Failure/Aborted" << "wake look +60"


def test_r6_an_approval_while_the_stop_is_under_way_waits_for_its_answer() -> None:
    play = (stopping() >> rang("look")).skip()
    play >> answered("read_card", approved) << "wake look +0.5"
    play >> answered("terminal_abort", SWITCHED_OFF) << "call read_card"
    play >> answered("read_card", approved) << "journal Settled" << "reply Success"


def test_r6_cancelling_switched_off_the_wish_fails_and_the_payment_goes_on() -> None:
    play = stopped(SWITCHED_OFF) >> answered("read_card", pending)
    play << "wake look +0.5"
    assert [call.operation for call in play.calls] == []
    (play >> rang("look")).skip()
    play >> answered("read_card", approved) << "journal Settled" << "reply Success"


def test_r6_a_lost_stop_is_sent_again_while_the_payment_is_pending() -> None:
    play = stopping() >> answered("terminal_abort", LOST)
    play << "wake look +0.5"
    play >> rang("look") << "call read_card"
    play >> answered("read_card", pending) << "call terminal_abort" << "wake look +0.8"


def test_r6_a_stop_that_was_not_even_sent_is_sent_again_and_weakens_no_approval() -> None:
    play = stopping() >> answered("terminal_abort", NOT_SENT)
    play << "wake look +0.5"
    (play >> rang("look") << "call read_card") >> answered("read_card", approved)
    play << "journal Settled" << "reply Success"


def test_r6_after_a_lost_stop_approved_waits_sixty_seconds_for_the_last_copy() -> None:
    play = (stopping() >> answered("terminal_abort", LOST)).skip()
    (play >> rang("look")).skip()
    (play >> answered("read_card", pending)).skip()  # a second copy is on its way
    play.wait(30)
    (play >> answered("terminal_abort", LOST)).skip()
    (play >> rang("look")).skip()
    play >> answered("read_card", approved) << "wake look +58.72"
    (play >> rang("look")).skip()
    play >> answered("read_card", approved) << "journal Settled" << "reply Success"


def test_r6_a_crash_counts_as_a_lost_stop() -> None:
    play = stopping().restart().skip()
    play >> answered("read_card", approved) << "wake look +60"
    (play >> rang("look") << "call read_card") >> answered("read_card", approved)
    play << "journal Settled"
    play.skip()


def test_r6_after_a_crash_a_pending_payment_is_stopped_again() -> None:
    play = stopping().restart().skip()
    play >> answered("read_card", pending) << "call terminal_abort" << "wake look +0.5"


def test_r6_a_fence_needs_no_such_wait() -> None:
    """The fencing cancel never undoes an approval, by contract."""
    play = (asked() >> abort()).skip()
    (play >> answered("create_card", LOST)).skip()
    (play >> answered("fence_card", approved)).skip()
    play >> answered("find_card", approved) << "journal Settled" << "reply Success"


def test_r6_one_stop_at_a_time() -> None:
    play = (stopping() >> rang("look")).skip()
    play >> answered("read_card", pending) << "wake look +0.5"


def test_r6_once_a_stop_was_sent_an_approval_found_late_is_a_discrepancy() -> None:
    play = (stopped(ACCEPTED) >> answered("read_card", declined, status="CANCELLED")).skip()
    play >> written << "journal Delivered"
    play >> rang("look") << "call read_card"
    play >> answered("read_card", approved) << "journal Disagreed" << "raise DISCREPANCY" << "forget"


def test_r6_once_a_stop_was_sent_the_late_look_that_agrees_ends_it() -> None:
    play = (stopped(ACCEPTED) >> answered("read_card", declined, status="CANCELLED")).skip()
    (play >> written).skip()
    (play >> rang("look")).skip()
    play >> answered("read_card", declined, status="CANCELLED") << "forget"


def test_r6_an_abort_joins_nobody_waiting() -> None:
    play = named() >> abort(source=B)
    play << "journal Wished" << "call terminal_abort"
    (play >> answered("terminal_abort", ACCEPTED)).skip()
    (
        play
        >> answered("read_card", declined, status="CANCELLED")
        << "journal Settled"
        << "reply Failure/Aborted"
    )
    play.skip()
