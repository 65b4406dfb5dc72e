from __future__ import annotations

import pytest

from nexo_bridge.nexo.elements import Element
from nexo_bridge.nexo.messages import DisplayResponse, Message, MessageHeader, OutputResult, Response
from nexo_bridge.pos.ending import Ending, cashier_text, nothing_sent, of_answer, unknown
from tests.pos.scripted_poi import event, found, not_known, payment_response


def response(body: Element, category: str = "TransactionStatus") -> Message:
    header = MessageHeader(
        message_class="Service",
        message_category=category,
        message_type="Response",
        service_id="9",
        sale_id="TILL1",
        poi_id="POI00001",
    )
    return Message(kind="response", header=header, body=body)


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (Ending("1", "Success"), 0),
        (Ending("1", "Partial"), 0),
        (Ending("1", "Failure", "Refusal"), 1),
        (nothing_sent("1", "no answer"), 1),
        (unknown("1", "lost"), 3),
    ],
)
def test_exit_codes(ending: Ending, code: int) -> None:
    assert ending.exit_code == code
    assert ending.known == (code != 3)
    assert list(ending.line()) == ["serviceId", "result", "condition", "authorized", "text"]


def test_the_outer_success_of_a_status_says_nothing_about_the_payment() -> None:
    declined = of_answer(response(found("7", payment_response("Failure", "Refusal"))), "7")
    assert (declined.result, declined.condition) == ("Failure", "Refusal")
    approved = of_answer(response(found("7", payment_response(authorized="1.00"))), "")
    assert (approved.service_id, approved.result, approved.authorized) == ("7", "Success", "1.00")


def test_only_not_found_is_a_certain_no_among_the_outer_failures() -> None:
    assert of_answer(response(not_known("NotFound")), "7").exit_code == 1
    for condition in ("InProgress", "Busy", "LoggedOut", "MessageFormat"):
        ending = of_answer(response(not_known(condition)), "7")
        assert (ending.exit_code, ending.condition) == (3, condition)


def test_a_status_about_nothing_or_something_else_is_unknown() -> None:
    full = found("7", payment_response())
    assert full.repeated_message_response is not None
    bare = full.model_copy(update={"repeated_message_response": None})
    empty = full.repeated_message_response.model_copy(update={"payment_response": None})
    hollow = full.model_copy(update={"repeated_message_response": empty})
    assert of_answer(response(bare), "7").exit_code == 3
    assert of_answer(response(hollow), "7").exit_code == 3
    assert of_answer(response(full), "8").exit_code == 3


def test_a_payment_that_is_still_in_progress_is_unknown_and_a_busy_one_is_refused() -> None:
    assert of_answer(response(payment_response("Failure", "InProgress"), "Payment"), "7").exit_code == 3
    assert of_answer(response(payment_response("Failure", "Busy"), "Payment"), "7").exit_code == 1


def test_an_event_tells_what_and_why() -> None:
    ending = of_answer(event("Reject", "code=NB-102; text=Unreadable."), "7")
    assert (ending.result, ending.condition, ending.text) == ("Failure", "Reject", "Unreadable.")


def test_a_response_without_a_result_of_its_own_is_done() -> None:
    shown = OutputResult(device="CashierDisplay", info_qualify="Status", response=Response(result="Success"))
    assert of_answer(response(DisplayResponse(output_result=(shown,)), "Display"), "7").result == "Success"


def test_the_cashier_s_sentence_is_found_and_made_harmless() -> None:
    assert cashier_text("code=NB-301; retry=no; at=; text=Card declined.") == "Card declined."
    assert cashier_text("REFUSED 05") == "REFUSED 05"
    assert "4111" not in cashier_text("card 4111111111111111")
    assert "\x1b" not in cashier_text("\x1b[2J")
