"""Payment: what is asked of the platform, what people see, and what the POS is answered (R15)."""

from __future__ import annotations

from typing import Any

import pytest

from nexo_bridge.categories import payment as category
from nexo_bridge.categories.conditions import FAILURES, NOT_DONE
from nexo_bridge.categories.plan import (
    AnswerNow,
    Ask,
    Ending,
    NeverCreated,
    NotStarted,
    ResolvedUnpaid,
    Shown,
    Steps,
)
from nexo_bridge.errors import Refusal
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.ppaas.models import Approved, CardCreate, Declined, NotSent, Pending, QrCreate
from nexo_bridge.redaction import Secret
from tests.categories.facts import KEY, body_of, facts
from tests.core.words import QR_CODE, payment, transaction
from tests.nexo.corpus import seal


def planned(poi: str = "POI1", **more: Any) -> Ask:
    request = payment(poi=poi, **more)
    plan = category.plan(request.message, body_of(request), facts(poi))
    assert isinstance(plan, Steps)
    (ask,) = plan.asks
    return ask


def instrument(
    kind: str = "Card", token: Secret | None = None, entry: str = "Scanned"
) -> nexo.PaymentInstrumentData:
    card = None
    if token is not None:
        card = nexo.CardData(
            entry_mode=(entry,),
            payment_token=nexo.PaymentToken(token_requested_type="Transaction", token_value=token),
        )
    return nexo.PaymentInstrumentData(payment_instrument_type=kind, card_data=card)


# -- what is asked --------------------------------------------------------------------------------------------------


def test_a_card_payment_is_asked_in_minor_units_under_its_key() -> None:
    ask = planned(amount="10.00", tip="1.00", cash_back="2.00")
    assert isinstance(ask.body, CardCreate)
    assert ask.body.model_dump(exclude_none=True) == {
        "client_transaction_id": KEY,
        "transaction_type": "SALE",
        "capture_mode": "AUTOMATIC",
        "payment_amount": {"amount": 1000, "currency": "EUR"},
        "tip_amount": 100,
        "cashback_amount": 200,
        "order": {"order_id": KEY, "order_description": "Sale T1"},
    }
    assert (ask.role, ask.operation, ask.amount, ask.currency) == ("sale", "create_card", 1000, "EUR")
    assert (ask.read, ask.find, ask.fence, ask.stop) == (
        "read_card",
        "find_card",
        "fence_card",
        "terminal_abort",
    )


def test_no_tip_is_no_tip() -> None:
    body = planned(tip="0").body
    assert isinstance(body, CardCreate)
    assert (body.tip_amount, body.cashback_amount) == (None, None)


@pytest.mark.parametrize(
    ("more", "operation", "payment_type"),
    [
        ({}, "create_card", None),
        ({"poi": "QR"}, "create_qr", "KB"),
        ({"poi": "QR", "instrument": instrument("Card")}, "create_card", None),
        ({"instrument": instrument("Mobile")}, "create_qr", "KB"),
        ({"brands": ("TWINT",)}, "create_qr", "TW"),
        ({"poi": "QR", "brands": ("Visa",)}, "create_card", None),
        ({"brands": ("Unknown", "TWINT")}, "create_qr", "TW"),
        ({"brands": ("Unknown",)}, "create_card", None),
        ({"brands": ("OwnWallet",)}, "create_qr", "KB"),
        ({"brands": ("Visa",), "acquirer_data": seal("scannedPaymentId=4711")}, "create_qr", "KB"),
    ],
    ids=[
        "default card",
        "default qr",
        "asked for card",
        "asked for mobile",
        "wallet",
        "card brand",
        "first known",
        "none known",
        "wallet without a code of its own",
        "a scanned code is no card",
    ],
)
def test_card_or_qr(more: dict[str, Any], operation: str, payment_type: str | None) -> None:
    ask = planned(**more)
    assert ask.operation == operation
    assert getattr(ask.body, "payment_type", None) == payment_type


@pytest.mark.parametrize(
    "more",
    [
        {"acquirer_data": seal("scannedPaymentId=4711")},
        {"instrument": instrument(token=seal("4711"))},
        {"acquirer_data": seal("scannedPaymentId=4711"), "instrument": instrument(token=seal("4711"))},
    ],
    ids=["acquirer data", "token", "both"],
)
def test_a_scanned_code_is_a_merchant_scan(more: dict[str, Any]) -> None:
    body = planned(**more).body
    assert isinstance(body, QrCreate)
    assert body.payment_scenario == "merchantscan"
    assert body.scanned_payment_id == seal("4711")
    assert "4711" not in repr(body) + body.model_dump_json()


def test_without_a_scanned_code_the_customer_scans() -> None:
    body = planned("QR").body
    assert isinstance(body, QrCreate)
    assert (body.payment_scenario, body.scanned_payment_id) == ("consumerscan", None)


@pytest.mark.parametrize(
    "more",
    [
        {"acquirer_data": seal("order=7")},
        {"instrument": instrument(token=seal("4711"), entry="ICC")},
        {"instrument": instrument("Card")},
    ],
    ids=["other data", "another token", "no token"],
)
def test_other_data_is_no_scanned_code(more: dict[str, Any]) -> None:
    assert planned(**more).operation == "create_card"


def test_two_scanned_codes_that_differ_are_refused() -> None:
    with pytest.raises(Refusal, match="two different scanned codes") as refused:
        planned(acquirer_data=seal("scannedPaymentId=4711"), instrument=instrument(token=seal("4712")))
    assert (refused.value.condition, refused.value.code) == ("MessageFormat", "NB-207")
    assert "471" not in str(refused.value)


@pytest.mark.parametrize("amount", [None, "0", "0.00", "-1.00", "10.001"])
def test_an_amount_that_cannot_be_charged_is_refused(amount: str | None) -> None:
    with pytest.raises(Refusal) as refused:
        planned(amount=amount)
    assert (refused.value.condition, refused.value.code) == ("MessageFormat", "NB-208")


@pytest.mark.parametrize("more", [{"kind": "Refund"}, {"kind": "OneTimeReservation"}, {"acquisition": True}])
def test_what_is_not_served_yet_is_said_at_once(more: dict[str, Any]) -> None:
    request = payment(**more)
    plan = category.plan(request.message, body_of(request), facts())
    assert isinstance(plan, AnswerNow)
    assert isinstance(plan.body, nexo.PaymentResponse)
    assert plan.body.response.error_condition == "UnavailableService"


def test_a_long_sale_id_is_cut_for_the_order() -> None:
    body = planned(transaction="x" * 300).body
    assert isinstance(body, CardCreate)
    assert len(body.order.order_description) == 100


def test_the_same_request_and_facts_give_the_same_plan() -> None:
    assert planned() == planned()


# -- what people see ------------------------------------------------------------------------------------------------


def test_only_a_code_is_shown() -> None:
    request = body_of(payment())
    plain = Pending(transaction=transaction(KEY))
    assert category.progress(request, plain, facts()) == Shown()
    coded = Pending(transaction=transaction(KEY, qr=QR_CODE))
    shown = category.progress(request, coded, facts())
    assert (len(shown.to_terminal), shown.to_pos) == (1, ())
    assert len(category.progress(request, coded, facts(capabilities=("CustomerDisplay",))).to_pos) == 1
    assert category.progress(request, coded, facts(session=None)).to_pos == ()


# -- what is answered -----------------------------------------------------------------------------------------------


def answer(ending: Ending, **more: Any) -> nexo.PaymentResponse:
    known = {"asked": (1000, "EUR"), "operation": "create_card"} | more
    return category.reply(body_of(payment()), ending, facts(**known))


def no(status: str, code: str | None = None) -> Declined:
    return Declined(transaction=transaction(KEY, status, decline_code=code))


ROWS: list[tuple[Ending, str | None, str]] = [
    (no("DECLINED"), None, "DECLINED"),
    (no("DECLINED", "SOMETHING_NEW"), None, "DECLINED"),
    (no("DECLINED", "INVALID_CARD"), None, "INVALID_CARD"),
    (no("DECLINED", "EXPIRED_CARD"), None, "INVALID_CARD"),
    (no("DECLINED", "WRONG_PIN"), None, "WRONG_PIN"),
    (no("DECLINED", "PIN_TRIES_EXCEEDED"), None, "WRONG_PIN"),
    (no("DECLINED", "HOST_UNREACHABLE"), None, "HOST_UNREACHABLE"),
    (no("DECLINED", "CUSTOMER_CANCELLED"), None, "CANCELLED"),
    (no("CANCELLED"), None, "CANCELLED"),
    (no("CANCELLED"), "pos", "ABORTED"),
    (no("CANCELLED"), "deadline", "ABORTED"),
    (no("CANCELLED", "CUSTOMER_CANCELLED"), "pos", "CANCELLED"),
    (no("EXPIRED"), None, "EXPIRED"),
    (no("EXPIRED"), "pos", "EXPIRED"),
    (no("FAILED"), None, "FAILED"),
    (NotSent(code="DNS", reason="x"), None, "NOT_SENT"),
    (NeverCreated(), None, "NEVER_CREATED"),
    (NeverCreated(), "deadline", "NEVER_CREATED"),
    (NeverCreated(), "pos", "ABORTED"),
    (NotStarted("restart"), None, "NOT_STARTED"),
    (NotStarted("abort"), "pos", "ABORTED_BEFORE_START"),
    (ResolvedUnpaid(), None, "RESOLVED"),
    *((NotSent(code=code, reason="x"), None, name) for code, name in NOT_DONE.items()),
]


@pytest.mark.parametrize(("ending", "wished", "name"), ROWS)
def test_r15_row_by_row(ending: Ending, wished: str | None, name: str) -> None:
    failure = FAILURES[name]
    made = answer(ending, wished=wished)
    assert (made.response.result, made.response.error_condition) == ("Failure", failure.condition)
    text = made.response.additional_response
    assert text is not None
    assert text.startswith(f"code={failure.code}; retry={failure.retry}; text=")
    assert made.payment_result is None


def yes(**more: Any) -> Approved:
    return Approved(transaction=transaction(KEY, "APPROVED", **more))


def test_success_says_what_was_authorised_and_by_what() -> None:
    made = answer(
        yes(
            authorised=1000,
            brand="Visa",
            masked_pan="************1111",
            entry_mode="CONTACTLESS",
            approval_code="A1",
        )
    )
    assert made.response == nexo.Response(result="Success")
    result = made.payment_result
    assert result is not None
    assert result.amounts_resp is not None
    assert str(result.amounts_resp.authorized_amount) == "10.00"
    assert result.payment_instrument_data is not None
    assert result.payment_instrument_data.card_data is not None
    assert result.payment_instrument_data.card_data.entry_mode == ("Contactless",)
    assert result.payment_acquirer_data is not None
    assert result.payment_acquirer_data.approval_code == "A1"


def test_an_unknown_entry_mode_is_left_out_and_a_wallet_is_mobile() -> None:
    made = answer(yes(entry_mode="TELEPATHY"), operation="create_qr")
    assert made.payment_result is not None
    data = made.payment_result.payment_instrument_data
    assert data is not None
    assert (data.payment_instrument_type, data.card_data) == ("Mobile", None)


def test_less_than_asked_is_partial_with_its_own_condition() -> None:
    made = answer(yes(authorised=600))
    assert (made.response.result, made.response.error_condition) == ("Partial", "Refusal")


def test_tip_surcharge_and_cashback_are_told_apart() -> None:
    made = answer(yes(authorised=1330, tip=100, surcharge=30, cashback=200))
    assert made.payment_result is not None
    amounts = made.payment_result.amounts_resp
    assert amounts is not None
    shown = (
        amounts.tip_amount,
        amounts.total_fees_amount,
        amounts.cash_back_amount,
        amounts.authorized_amount,
    )
    assert [str(one) for one in shown] == ["1.00", "0.30", "2.00", "13.30"]


def test_without_a_word_of_what_was_asked_the_platforms_own_amount_counts() -> None:
    assert answer(yes(authorised=600), asked=None).response.result == "Partial"
