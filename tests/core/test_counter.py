"""R9: TransactionStatus; sessions (R3, R14); diagnosis; what cannot be read (H cases); device answers (F15)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from nexo_bridge.core.signals import AlarmRang, Arrived, Found, PlatformAnswered, Started
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.messages import Message, MessageHeader, MessageReference
from nexo_bridge.redaction import Secret
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
)
from tests.core.words import (
    ACCEPTED,
    BUSY,
    IDLE,
    LOST,
    MOMENT,
    POLICY,
    A,
    B,
    approved,
    declined,
    diagnosis,
    login,
    logout,
    payment,
    request,
    status,
    unreadable,
)


def repeated(play: Play) -> nexo.PaymentResponse:
    """The payment's answer inside the last TransactionStatusResponse."""
    body = play.answer().body
    assert isinstance(body, nexo.TransactionStatusResponse)
    assert body.repeated_message_response is not None
    assert body.repeated_message_response.payment_response is not None
    return body.repeated_message_response.payment_response


# -- TransactionStatus ----------------------------------------------------------------------------------------------


def test_r9_unresolved_is_in_progress() -> None:
    play = asked() >> status(of="1")
    play << "reply Failure/InProgress"
    play >> status() << "reply Failure/InProgress"


def test_r9_settled_is_success_outside_and_the_real_result_inside() -> None:
    play = (asked() >> answered("create_card", declined)).skip()
    original = play.answer()
    play >> status(of="1") << "look up"
    play >> found << "reply Success"
    assert repeated(play) == original.body
    body = play.answer().body
    assert isinstance(body, nexo.TransactionStatusResponse)
    assert body.repeated_message_response is not None
    assert body.repeated_message_response.message_header == original.header


def test_r9_no_reference_is_the_last_accepted_payment_of_the_pair() -> None:
    play = paid(payment(service="1"))
    paid(payment("5.00", service="2"), play)
    (play >> payment("6.00", service="2")).skip()
    (play >> found).skip()  # refused: not accepted
    play >> status() << "look up"
    play >> found << "reply Success"
    assert repeated(play).sale_data.sale_transaction_id.transaction_id == "T2"


def test_r9_a_reference_with_a_category_alone_is_the_last_of_it() -> None:
    play = paid() >> status(about=MessageReference(message_category="Payment"))
    play << "look up"
    play >> found << "reply Success"
    play >> status(about=MessageReference(message_category="Reversal")) << "look up"
    play >> found << "reply Failure/NotFound"


def test_r9_unknown_is_not_found() -> None:
    play = open_for() >> status(of="77")
    play << "look up"
    play >> found << "reply Failure/NotFound"
    play >> status() << "look up"
    play >> found << "reply Failure/NotFound"


def test_r9_another_pos_may_ask_by_naming_sale_id_and_terminal() -> None:
    reference = MessageReference(message_category="Payment", service_id="1", sale_id="TILL", poi_id="POI1")
    play = paid() >> status(about=reference, sale="OFFICE", poi="POI2")
    play << "look up"
    play >> found << "reply Success"


def test_r9_device_exchanges_are_not_kept() -> None:
    play = paid() >> status(about=MessageReference(device_id="9"))
    play << "reply Failure/NotFound"


def test_r9_what_is_only_on_disk_and_open_is_in_progress() -> None:
    play = asked()
    play >> BROKE << "raise JOURNAL"
    sessions = tuple(one for one in play.journal.open_exchanges() if one.entries[0].name == "LoggedIn")
    play >> Started(open=sessions)
    play >> status(of="1") << "look up"
    play >> found << "reply Failure/InProgress"


def test_r9_categories_without_a_stored_answer_to_repeat_are_not_found() -> None:
    play = open_for() >> request(nexo.BatchRequest(), "Batch", service="5")
    (play << "look up") >> found
    play.skip()
    play >> status(about=MessageReference(service_id="5")) << "look up"
    play >> found << "reply Failure/NotFound"


def test_r9_an_unreadable_journal_is_said_to_be_a_problem_of_ours() -> None:
    play = paid() >> status(of="1")
    (play << "look up") >> not_readable
    play << "reply Failure/Busy"
    assert "retry=check" in play.replies[-1].data.decode()


def test_r9_a_question_needs_no_login_and_goes_on_while_the_journal_is_broken() -> None:
    play = (paid() >> BROKE).skip()
    (play >> status(of="1")) << "look up"
    play >> found << "reply Success"


def test_r3_the_same_question_while_one_runs_joins() -> None:
    play = paid() >> status(of="1")
    play << "look up"
    play >> status(of="1", source=B)
    play >> found << "reply Success to B"


def test_r3_another_question_under_the_same_service_id_is_asked_too() -> None:
    play = paid() >> status(of="1")
    play << "look up"
    play >> status(of="2") << "look up"
    play >> found << "reply Success"
    play >> found << "reply Failure/NotFound"


def test_r9_an_answer_to_no_question_means_nothing() -> None:
    play = open_for() >> Found(exchange="Q999", results=())
    assert play.silent


# -- sessions -------------------------------------------------------------------------------------------------------


def test_r3_login_is_never_refused_for_its_service_id_and_replaces_the_session() -> None:
    play = open_for() >> login()
    play << "journal LoggedOut" << "forget" << "journal LoggedIn" << "reply Success"
    assert play.bridge.logged_in("POI1") == ("TILL",)


def test_r14_a_login_that_was_put_right_is_journalled_so() -> None:
    play = open_for() >> login().model_copy(update={"tolerated": {"missing-zone": 1}})
    play << "journal LoggedOut" << "forget" << "journal LoggedIn" << "reply Success"
    assert play.last["LoggedIn"].public["tolerated"] == {"missing-zone": 1}


def test_f18_every_login_is_answered() -> None:
    play = open_for() >> login(source=B)
    play << "journal LoggedOut" << "forget" << "journal LoggedIn" << "reply Success to B"


def test_r9_login_during_a_payment_opens_a_session_and_the_payment_goes_on() -> None:
    play = asked() >> login()
    play << "journal LoggedOut" << "forget" << "journal LoggedIn" << "reply Success"
    play >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


def test_r9_logout_during_a_payment_is_busy() -> None:
    play = asked() >> logout()
    play << "reply Failure/Busy"
    (play >> answered("create_card", approved)).skip()
    play >> logout(service="L8") << "journal LoggedOut" << "reply Success" << "forget"
    play >> logout(service="L7") << "reply Failure/LoggedOut"


def test_r3_sessions_outlive_restarts() -> None:
    play = open_for("CashierDisplay").restart()
    assert play.bridge.version_of("TILL", "POI1") == "3.1"
    assert play.bridge.version_of("TILL", "POI2") is None
    play >> payment() << "look up"
    play >> found << "journal Received" << "journal Asking" << "call create_card"


def test_r3_a_login_needs_the_journal_and_a_logout_too() -> None:
    play = (open_for() >> BROKE).skip()
    play >> login() << "reply Failure/Busy"
    play >> logout() << "reply Failure/Busy"
    (play >> reread).skip()
    play >> logout() << "journal LoggedOut" << "reply Success" << "forget"


def test_r14_training_is_never_a_real_payment() -> None:
    play = open_for() >> login(training=True)
    play << "reply Failure/UnavailableService"
    assert "NB-332" in play.replies[-1].data.decode()


def test_r14_a_version_we_cannot_serve_is_refused_naming_both() -> None:
    play = open_for() >> login(protocol_version="2.0")
    play << "reply Failure/UnavailableService"
    text = play.replies[-1].data.decode()
    assert "3.1" in text
    assert "3.0" in text


@pytest.mark.parametrize("version", ["3.0", "3.1"])
def test_r14_a_login_is_answered_in_its_version(version: str) -> None:
    play = open_for() >> login(version=version, protocol_version=version, terminal=False)
    play.skip()
    header = play.answer(version).header  # type: ignore[arg-type]  # both are
    assert header.protocol_version == version
    assert play.bridge.version_of("TILL", "POI1") == version


def test_r15_a_login_to_an_unknown_terminal() -> None:
    play = open_for() >> login(poi="NOWHERE")
    play << "reply Failure/UnavailableDevice"
    assert play.bridge.terminals() == tuple(POLICY.terminals)


def test_r15_a_logout_from_an_unknown_terminal() -> None:
    play = open_for() >> logout(poi="NOWHERE")
    play << "reply Failure/UnavailableDevice"


# -- what is not served ---------------------------------------------------------------------------------------------


def test_r15_a_category_that_is_not_served() -> None:
    play = open_for() >> request(nexo.AdminRequest(), "Admin")
    play << "reply Failure/UnavailableService"


def test_r15_a_category_without_an_answer_gets_none() -> None:
    output = nexo.DisplayOutput(
        response_required_flag=False,
        device="CustomerDisplay",
        info_qualify="Display",
        output_content=nexo.OutputContent(output_format="Text", output_text=(nexo.OutputText(text="Hello"),)),
    )
    play = open_for() >> request(nexo.DisplayRequest(display_output=(output,)), "Display")
    assert play.silent


def device_answer(kind: Any = "response", message_class: str = "Device") -> Arrived:
    header = MessageHeader(
        message_class=message_class,
        message_category="Display" if message_class == "Device" else "Event",
        message_type="Response" if message_class == "Device" else "Notification",
        service_id="1" if message_class == "Device" else None,
        device_id="77",
        sale_id="TILL",
        poi_id="POI1",
    )
    result = nexo.OutputResult(
        device="CashierDisplay", info_qualify="Status", response=nexo.Response(result="Success")
    )
    body: Any = nexo.DisplayResponse(output_result=(result,))
    if message_class == "Event":
        body = nexo.EventNotification(time_stamp=MOMENT, event_to_notify="SaleWakeUp")
    message = Message(kind=kind, header=header, body=body)
    return Arrived(source=A, message=message, version="3.1", digest="d", ack=4)


def test_f15_answers_to_our_displays_never_disturb_the_payment() -> None:
    play = asked() >> device_answer()
    play << "accept"
    play >> device_answer("request", "Event") << "accept"
    play >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


def test_r3_a_guarded_category_that_comes_as_a_response_starts_nothing() -> None:
    made = nexo.PaymentResponse(
        response=nexo.Response(result="Success"),
        sale_data=payment().message.body.sale_data,  # type: ignore[attr-defined]  # a PaymentRequest
        poi_data=nexo.POIData(
            poi_transaction_id=nexo.TransactionIdentification(transaction_id="x", time_stamp=MOMENT)
        ),
    )
    header = payment().message.header.model_copy(update={"message_type": "Response"})
    message = Message(kind="response", header=header, body=made)
    play = open_for() >> Arrived(source=A, message=message, version="3.1", digest="d")
    assert play.silent


# -- diagnosis ------------------------------------------------------------------------------------------------------


def test_diagnosis_asks_the_terminal_and_says_who_is_logged_in() -> None:
    play = open_for() >> diagnosis()
    play << "call terminal_status" << "wake inquiry +10"
    play >> answered("terminal_status", IDLE) << "reply Success" << "forget"
    body = play.answer().body
    assert isinstance(body, nexo.DiagnosisResponse)
    assert body.poi_status is not None
    assert (body.poi_status.global_status, body.logged_sale_id) == ("OK", ("TILL",))


def test_diagnosis_of_a_terminal_that_is_paying_is_busy_and_asks_nothing_of_the_payment() -> None:
    play = asked() >> diagnosis()
    play << "call terminal_status" << "wake inquiry +10"
    play >> answered("terminal_status", IDLE) << "reply Success" << "forget"
    assert 'GlobalStatus="Busy"' in play.replies[-1].data.decode()


def test_diagnosis_with_the_host_waits_for_both() -> None:
    play = open_for() >> diagnosis(host=True)
    play << "call terminal_status" << "call countries" << "wake inquiry +10"
    play >> answered("countries", ACCEPTED)
    assert play.silent
    play >> answered("terminal_status", BUSY) << "reply Success" << "forget"
    assert 'IsReachableFlag="true"' in play.replies[-1].data.decode()


def test_diagnosis_that_waits_too_long_says_what_it_heard() -> None:
    play = open_for() >> diagnosis(host=True)
    play.skip()
    play >> answered("countries", LOST)
    play >> rang("inquiry") << "reply Success" << "forget"
    text = play.replies[-1].data.decode()
    assert 'GlobalStatus="Unreachable"' in text
    assert 'IsReachableFlag="false"' in text
    play >> answered("terminal_status", IDLE)
    assert play.silent


def test_diagnosis_of_another_terminal_and_of_none() -> None:
    play = open_for() >> diagnosis(of="POI2")
    play << "call terminal_status" << "wake inquiry +10"
    assert play.calls[0].poiid == "POI2"
    play >> diagnosis(of="NOWHERE", service="D2") << "reply Failure/UnavailableDevice"


def test_r3_a_repeated_diagnosis_joins() -> None:
    play = open_for() >> diagnosis()
    play.skip()
    play >> diagnosis(source=B)
    play >> answered("terminal_status", IDLE) << "reply Success to B" << "forget"


def test_alarms_and_answers_that_nobody_waits_for_mean_nothing() -> None:
    play = open_for() >> AlarmRang(exchange="Q1", alarm="inquiry")
    play >> PlatformAnswered(exchange="Q1", call="1.0", outcome=LOST)
    play >> diagnosis()
    play.skip()
    play >> PlatformAnswered(exchange=play.calls[0].exchange, call="other", outcome=LOST)
    assert play.silent


# -- what cannot be read --------------------------------------------------------------------------------------------


def test_h11_a_readable_header_gets_an_answer_in_kind() -> None:
    play = open_for() >> unreadable(sale_transaction=("T7", str(MOMENT)))
    play << "reply Failure/MessageFormat"
    text = play.replies[-1].data.decode()
    assert "at=/SaleToPOIRequest" in text
    assert 'TransactionID="T7"' in text


def test_h11_an_unreadable_header_gets_an_event_with_the_first_bytes() -> None:
    play = open_for() >> unreadable(answerable=False, start=Secret("", "PHgvPg=="), ack=5)
    play << "event Reject, then accept"
    assert "<RejectedMessage>PHgvPg==</RejectedMessage>" in play.replies[-1].data.decode()


def test_h11_in_replay_the_first_bytes_are_an_hmac_and_sent_empty() -> None:
    play = open_for() >> unreadable(answerable=False, start=Secret("hmac"))
    play << "event Reject"


def test_h11_ids_that_fit_no_header_get_an_event() -> None:
    play = open_for() >> unreadable(header={"service_id": "x" * 50})
    play << "event Reject"


@pytest.mark.parametrize(
    "header", [{"kind": "response"}, {"message_class": "Event"}], ids=["response", "event"]
)
def test_h11_what_wants_no_answer_gets_none(header: dict[str, str]) -> None:
    play = open_for() >> unreadable(header=header)
    assert play.silent


def test_h11_a_category_that_has_no_answer_gets_an_event() -> None:
    play = open_for() >> unreadable(header={"category": "Abort"})
    play << "event Reject"


def test_r14_sessions_and_policy_are_separate_things() -> None:
    play = open_for(policy=replace(POLICY, login_required=False))
    assert play.bridge.in_hand() == []
    named(play=play)
    assert [one["state"] for one in play.bridge.in_hand()] == ["acknowledged"]
