"""R3: which request is "the same", row by row, also while a look-up runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexo_bridge.categories.catalogue import BY_NAME, GUARDED
from nexo_bridge.core.signals import Arrived, PosGone, Started, Stopping
from nexo_bridge.money import Amount
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import Element
from nexo_bridge.nexo.messages import MessageReference
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
    IDLE,
    LOST,
    MOMENT,
    POLICY,
    A,
    B,
    abort,
    approved,
    declined,
    login,
    logout,
    payment,
    request,
    status,
)


def allowing(**choices: str) -> Play:
    policy = SalePolicy(**choices)  # type: ignore[arg-type]  # names of its fields
    return open_for(policy=replace(POLICY, sales={"TILL": policy}))


# -- same key, same body -----------------------------------------------------------------------------------------


def test_r3_same_body_unresolved_joins_and_the_newest_connection_is_answered() -> None:
    play = asked()
    play >> payment(source=B)
    assert play.silent
    play >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success to B"
    play >> written << "journal Delivered" << "forget"


def test_r3_two_repeats_while_the_look_up_runs_are_one_payment() -> None:
    play = open_for() >> payment()
    play << "look up"
    play >> payment(source=B)
    assert play.silent
    play >> found
    play << "journal Received" << "journal Asking" << "call create_card"
    play.skip()
    play >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success to B"


def test_r3_a_joiner_that_is_gone_gives_the_answer_back_to_who_still_waits() -> None:
    play = asked()
    play >> payment(source=B)
    play >> PosGone(source=B)
    play >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


def test_r3_a_repeat_from_a_connection_that_is_gone_joins_nobody() -> None:
    play = asked()
    play >> payment(source=B, present=False)
    play >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


def test_r3_same_body_settled_repeats_the_stored_answer_byte_for_byte() -> None:
    play = paid()
    first = play.replies[-1].data
    play.wait(6 * 86400)
    play >> payment(source=B) << "look up"
    play >> found << "reply Success to B"
    assert play.replies[-1].data == first
    assert not play.calls


def test_r3_the_very_same_request_is_never_new_even_after_a_login() -> None:
    play = paid()
    (play >> login()).skip()
    play >> payment() << "look up"
    play >> found << "reply Success"
    assert not play.calls


def test_r3_a_repeat_nobody_waits_for_any_more_is_not_answered() -> None:
    play = paid()
    play >> payment() << "look up"
    play >> PosGone(source=A)
    play >> found
    assert play.silent


# -- same key, other body ----------------------------------------------------------------------------------------


def test_r3_other_body_while_the_first_is_unresolved_is_refused_and_a_login_changes_nothing() -> None:
    play = asked()
    (play >> login(source=B)).skip()
    play >> payment("11.00", source=B)
    play << "journal Received" << "journal Settled" << "reply Failure/MessageFormat to B" << "forget"
    assert "already used" in play.replies[-1].data.decode()


def test_r3_other_body_while_the_look_up_runs_is_refused() -> None:
    play = open_for() >> payment()
    play << "look up"
    play >> payment("11.00", source=B)
    play << "journal Received" << "journal Settled" << "reply Failure/MessageFormat to B" << "forget"
    play >> found
    play << "journal Received" << "journal Asking" << "call create_card"


def test_r3_other_body_settled_is_refused_in_the_same_session() -> None:
    play = paid()
    play >> payment("11.00") << "look up"
    play >> found
    play << "journal Received" << "journal Settled" << "reply Failure/MessageFormat" << "forget"


def test_r3_other_body_settled_after_a_login_is_a_new_payment_and_a_reference_means_the_newest() -> None:
    play = paid()
    (play >> login()).skip()
    paid(payment("11.00", transaction="another"), play)
    play >> status(of="1") << "look up"
    play >> found << "reply Success"
    body = play.answer().body
    assert isinstance(body, nexo.TransactionStatusResponse)
    assert body.repeated_message_response is not None
    repeated = body.repeated_message_response.payment_response
    assert repeated is not None
    assert repeated.sale_data.sale_transaction_id.transaction_id == "another"


def test_r3_a_service_id_is_free_again_after_seven_days() -> None:
    play = paid()
    play.wait(8 * 86400)
    play >> payment("11.00", transaction="another") << "look up"
    play >> found
    play << "journal Received" << "journal Asking" << "call create_card"


def test_r3_a_mismatch_is_never_reached_by_its_service_id() -> None:
    play = asked()
    (play >> payment("11.00", source=B)).skip()
    (play >> answered("create_card", approved)).skip()
    play >> status(of="1") << "look up"
    play >> found << "reply Success"
    repeated = play.replies[-1].data.decode()
    assert "10.00" in repeated
    assert "already used" not in repeated


@pytest.mark.parametrize("mismatches", [1, 30])
def test_r3_mismatches_do_not_hide_the_first_answer(mismatches: int) -> None:
    play = (asked() >> answered("create_card", declined)).skip()
    first = play.replies[-1].data
    for n in range(mismatches):
        (play >> payment(f"11.{n:02}", transaction=f"other {n}")).skip()
        (play >> found).skip()
    play >> payment() << "look up"
    play >> found << "reply Failure/Refusal"
    assert play.replies[-1].data == first
    play >> payment("99.00", transaction="yet another") << "look up"
    play >> found << "journal Received" << "journal Settled" << "reply Failure/MessageFormat" << "forget"


def test_r3_a_late_duplicate_of_a_refusal_gets_the_refusal_again() -> None:
    play = asked()
    (play >> payment(service="2", source=B)).skip()
    play >> found
    play << "journal Received" << "journal Settled" << "reply Failure/Busy to B" << "forget"
    refused = play.replies[-1].data
    assert b"new ServiceID" in refused
    (play >> answered("create_card", declined)).skip()

    play >> payment(service="2", source=B) << "look up"
    play >> found << "reply Failure/Busy to B"
    assert play.replies[-1].data == refused


# -- the sale ----------------------------------------------------------------------------------------------------


def test_r3_a_sale_that_is_paid_is_refused_under_a_new_service_id_on_any_terminal() -> None:
    play = paid(payment(transaction="S"))
    (play >> login(poi="POI2")).skip()
    play >> payment(service="2", transaction="S", poi="POI2") << "look up"
    play >> found << "journal Received" << "journal Settled" << "reply Failure/NotAllowed" << "forget"
    assert "already paid by ServiceID 1" in play.replies[-1].data.decode()
    assert "retry=check" in play.replies[-1].data.decode()


def test_r3_a_sale_that_is_paid_stays_paid_after_a_restart_and_many_other_parts() -> None:
    play = paid(payment(transaction="S"))
    for n in range(12):
        paid(payment(f"0.{n + 10}", service=f"part {n}", transaction="S"), play)
    (play.restart() >> payment(service="2", transaction="S")).skip()
    play >> found << "journal Received" << "journal Settled" << "reply Failure/NotAllowed" << "forget"


def test_r3_a_sale_that_is_running_elsewhere_is_busy_and_named() -> None:
    play = asked(payment(transaction="S"))
    (play >> login(poi="POI2")).skip()
    play >> payment(service="2", transaction="S", poi="POI2") << "look up"
    play >> found << "journal Received" << "journal Settled" << "reply Failure/Busy" << "forget"
    assert "being paid by ServiceID 1" in play.replies[-1].data.decode()


def test_r3_of_one_sale_sent_twice_at_once_the_first_is_charged() -> None:
    play = open_for()
    (play >> login(poi="POI2")).skip()
    play >> payment(transaction="S") << "look up"
    play >> payment(service="2", transaction="S", poi="POI2", source=B) << "look up"
    second, first = play.lookups.pop(), play.lookups.pop()
    play.lookups = [second, first]  # the later request's look-up comes back first
    play >> found << "journal Received" << "journal Settled" << "reply Failure/Busy to B" << "forget"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


@pytest.mark.parametrize(
    "second",
    [
        payment("11.00", service="2", transaction="S"),
        payment("10.00", service="2", transaction="S", split=True),
        payment("10.00", service="2", transaction="S", currency="CHF"),
        payment("10.00", service="2", transaction="T"),
    ],
    ids=["another amount", "split", "another currency", "another sale"],
)
def test_r3_another_amount_a_split_part_or_another_sale_is_a_new_payment(second: Arrived) -> None:
    play = paid(payment(transaction="S"))
    play >> second << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r3_a_declined_sale_may_be_tried_again() -> None:
    play = (asked(payment(transaction="S")) >> answered("create_card", declined)).skip()
    play >> payment(service="2", transaction="S") << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r3_a_paid_sale_may_be_paid_again_after_seven_days() -> None:
    play = paid(payment(transaction="S")).wait(8 * 86400)
    play >> payment(service="2", transaction="S") << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r3_sameness_of_sales_can_be_switched_off_for_one_pos() -> None:
    play = paid(payment(transaction="S"), allowing(repeat_sale="allow"))
    play >> payment(service="2", transaction="S") << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r3_a_pos_that_may_repeat_sales_still_waits_for_the_terminal() -> None:
    play = asked(payment(transaction="S"), allowing(repeat_sale="allow"))
    (play >> payment(service="2", transaction="S")).skip()
    play >> found << "journal Received" << "journal Settled" << "reply Failure/Busy" << "forget"
    assert "busy with ServiceID 1 of TILL" in play.replies[-1].data.decode()


def test_r3_a_partly_approved_sale_is_paid() -> None:
    play = asked(payment(transaction="S"))
    (play >> answered("create_card", approved, status="PARTIALLY_APPROVED", authorised=600)).skip()
    (play >> payment(service="2", transaction="S")).skip()
    play >> found << "journal Received" << "journal Settled" << "reply Failure/NotAllowed" << "forget"


# -- the terminal ------------------------------------------------------------------------------------------------


def test_r3_a_terminal_with_an_unresolved_exchange_is_busy_and_says_with_what() -> None:
    play = asked()
    (play >> login(sale="OTHER", source=B)).skip()
    (play >> payment(service="2", sale="OTHER", source=B)).skip()
    play >> found << "journal Received" << "journal Settled" << "reply Failure/Busy to B" << "forget"
    assert "busy with ServiceID 1 of TILL" in play.replies[-1].data.decode()


def test_r3_a_pos_may_want_not_allowed_instead_of_busy() -> None:
    play = asked(play=allowing(busy_condition="NotAllowed"))
    (play >> payment(service="2")).skip()
    play >> found << "journal Received" << "journal Settled" << "reply Failure/NotAllowed" << "forget"


def test_f13_two_pos_on_one_terminal_at_once_the_first_to_arrive_wins() -> None:
    play = open_for()
    (play >> login(sale="OTHER")).skip()
    play >> payment() << "look up"
    play >> payment(service="9", sale="OTHER", source=B) << "look up"
    play.lookups.reverse()
    play >> found << "journal Received" << "journal Settled" << "reply Failure/Busy to B" << "forget"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r3_the_other_terminal_is_free() -> None:
    play = asked()
    (play >> login(poi="POI2")).skip()
    play >> payment(service="2", poi="POI2") << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


# -- what is not started -----------------------------------------------------------------------------------------


def test_r3_a_request_whose_connection_is_gone_is_not_started() -> None:
    play = open_for() >> payment(present=False)
    assert play.silent


def test_r3_a_connection_that_is_gone_before_the_look_up_comes_back_starts_nothing() -> None:
    play = open_for() >> payment()
    play << "look up"
    play >> PosGone(source=A)
    play >> found
    assert play.silent
    assert play.bridge.unresolved == 0


def test_r3_the_terminal_is_free_again_after_a_request_nobody_waited_for() -> None:
    play = open_for() >> payment()
    play << "look up"
    play >> PosGone(source=A)
    play >> payment(service="2", source=B) << "look up"
    play >> found
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r6_an_abort_while_the_look_up_runs_is_never_sent() -> None:
    play = open_for() >> payment()
    play << "look up"
    play >> abort()
    assert play.silent
    play >> found
    play << "journal Received" << "journal Wished" << "journal Settled" << "reply Failure/Aborted"
    assert not play.calls
    play >> written << "journal Delivered" << "forget"


@pytest.mark.parametrize("poi", ["NOWHERE"])
def test_r15_a_terminal_that_is_not_configured(poi: str) -> None:
    play = open_for() >> payment(poi=poi)
    (play << "look up") >> found
    play << "journal Received" << "journal Settled" << "reply Failure/UnavailableDevice" << "forget"


def test_r15_no_login_no_payment_unless_configured() -> None:
    play = open_for()
    (play >> logout()).skip()
    play >> payment() << "look up"
    play >> found << "journal Received" << "journal Settled" << "reply Failure/LoggedOut" << "forget"
    free = open_for(policy=replace(POLICY, login_required=False))
    (free >> logout()).skip()
    free >> payment() << "look up"
    free >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r3_nothing_begins_while_the_process_ends() -> None:
    play = open_for() >> Stopping()
    play >> payment() << "look up"
    play >> found << "journal Received" << "journal Settled" << "reply Failure/Busy" << "forget"


def test_r3_a_repeat_is_answered_while_the_process_ends() -> None:
    play = paid() >> Stopping()
    play >> payment() << "look up"
    play >> found << "reply Success"


SALE_DATA = nexo.SaleData(
    sale_transaction_id=nexo.TransactionIdentification(transaction_id="T1", time_stamp=MOMENT)
)
NOT_SERVED: dict[str, Element] = {
    "Reversal": nexo.ReversalRequest(
        reversal_reason="MerchantCancel",
        original_poi_transaction=nexo.OriginalPOITransaction(reuse_card_data_flag=False),
    ),
    "Loyalty": nexo.LoyaltyRequest(
        sale_data=SALE_DATA,
        loyalty_transaction=nexo.LoyaltyTransaction(loyalty_transaction_type="Award"),
    ),
    "StoredValue": nexo.StoredValueRequest(
        sale_data=SALE_DATA,
        stored_value_data=(
            nexo.StoredValueData(
                stored_value_transaction_type="Load", currency="EUR", item_amount=Amount("5")
            ),
        ),
    ),
    "Batch": nexo.BatchRequest(),
    "CardAcquisition": nexo.CardAcquisitionRequest(
        sale_data=SALE_DATA, card_acquisition_transaction=nexo.CardAcquisitionTransaction()
    ),
}


def test_r3_every_guarded_category_is_served_or_known_not_to_be() -> None:
    assert GUARDED - BY_NAME.keys() == NOT_SERVED.keys()


@pytest.mark.parametrize("category", NOT_SERVED)
def test_r3_guarded_categories_that_are_not_served_yet_are_refused_and_remembered(category: str) -> None:
    event = request(NOT_SERVED[category], category)
    play = open_for() >> event
    (play << "look up") >> found
    play << "journal Received" << "journal Settled" << "reply Failure/UnavailableService" << "forget"
    play >> event << "look up"
    play >> found << "reply Failure/UnavailableService"


# -- the journal is down -----------------------------------------------------------------------------------------


def test_r3_money_is_refused_while_the_journal_cannot_be_written_and_not_remembered() -> None:
    play = open_for() >> BROKE
    play << "raise JOURNAL"
    play >> payment() << "look up"
    play >> found << "reply Failure/Busy"
    assert play.bridge.broken
    (play >> reread).skip()
    play >> payment() << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r3_money_is_refused_while_the_disk_has_no_room() -> None:
    play = open_for() >> payment().model_copy(update={"room": False})
    (play << "look up") >> found << "reply Failure/Busy"
    assert play.bridge.unresolved == 0


def test_r3_what_is_settled_is_repeated_also_while_nothing_new_can_be_written() -> None:
    """Busy, "no payment is started", would be a lie to a till that did not see that it was paid (I6)."""
    play = paid()
    play.skip()
    play >> payment().model_copy(update={"room": False}) << "look up"
    play >> found << "reply Success"
    (play >> BROKE).skip()
    play >> payment() << "look up"
    play >> found << "reply Success"
    play >> payment("11.00") << "look up"
    play >> found << "reply Failure/MessageFormat"
    assert play.silent


def test_r3_money_is_refused_when_the_journal_breaks_during_the_look_up_or_cannot_be_read() -> None:
    play = open_for() >> payment()
    (play << "look up") >> BROKE
    play << "raise JOURNAL"
    play >> found << "reply Failure/Busy"

    play = open_for() >> payment()
    (play << "look up") >> not_readable
    play << "reply Failure/Busy"
    assert play.bridge.unresolved == 0


def test_r3_nobody_is_told_of_a_broken_journal_who_does_not_wait() -> None:
    play = open_for() >> payment()
    (play << "look up") >> PosGone(source=A)
    play >> not_readable
    assert play.silent


def test_r3_a_mismatch_is_refused_also_while_the_journal_is_broken_but_not_remembered() -> None:
    play = asked()
    (play >> BROKE).skip()
    play >> payment("11.00", source=B) << "reply Failure/MessageFormat to B"
    play >> payment(source=B)
    assert play.silent
    play >> reread
    play << "wake customer_time +75" << "wake answer_by +100" << "call find_card"
    play >> answered("find_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success to B"


def test_r3_while_broken_nothing_is_decided_about_what_runs() -> None:
    play = (named() >> rang("look")).skip()
    (play >> BROKE).skip()
    play >> answered("read_card", approved)
    assert play.silent
    play >> rang("customer_time")
    assert play.silent
    (play >> reread).skip()
    play >> answered("read_card", declined)
    play << "journal Settled" << "reply Failure/Refusal"
    play >> BROKE << "raise JOURNAL"
    play >> written
    assert play.silent


def test_r3_what_is_open_on_disk_and_not_in_hand_is_not_begun_again() -> None:
    """Between a broken journal and its second reading; the question came back late."""
    play = asked()
    play >> BROKE << "raise JOURNAL"
    histories = play.journal.open_exchanges()
    sessions = tuple(one for one in histories if one.entries[0].name == "LoggedIn")
    play >> Started(open=sessions)
    play >> payment(source=B) << "look up"
    play >> found << "reply Failure/Busy to B"


# -- acknowledgements --------------------------------------------------------------------------------------------


def test_r3_a_repeat_that_joins_is_acknowledged() -> None:
    play = asked()
    play >> payment(source=B, ack=3) << "accept"
    assert play.events[-1] == "Asking"  # nothing is written of a place that does not last


def test_r3_a_parked_exchange_that_frees_its_terminal_lets_the_next_customer_pay() -> None:
    play = (named() >> rang("customer_time")).skip()
    (play >> answered("terminal_abort", LOST)).skip()
    (play >> rang("answer_by")).skip()
    (play >> rang("look")).skip()
    (play >> answered("terminal_status", IDLE)).skip()
    play >> payment(service="2", source=B) << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r6_an_abort_without_a_service_id_reaches_what_runs_not_what_will_be_refused() -> None:
    play = named()
    play >> payment(service="2", source=B) << "look up"
    play >> abort(of=None, about=MessageReference(message_category="Payment"))
    play << "journal Wished" << "call terminal_abort"
    play >> found << "journal Received" << "journal Settled" << "reply Failure/Busy to B" << "forget"
