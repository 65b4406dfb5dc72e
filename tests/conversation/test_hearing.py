"""What a message says is compared word by word, and a difference names both sides."""

from __future__ import annotations

import pytest

from nexo_bridge.conversation.grammar import Hear, parse
from nexo_bridge.conversation.hearing import Heard, differences, inner_differences, repeats

HEADER = (
    '<MessageHeader MessageClass="Service" MessageCategory="{0}" MessageType="Response" ServiceID="7" SaleID="S1" '
    'POIID="P1"/>'
)
PAID = Heard(
    (
        "<SaleToPOIResponse>" + HEADER.format("Payment") + '<PaymentResponse><Response Result="Success"/>'
        '<PaymentResult><AmountsResp AuthorizedAmount="10.00"/></PaymentResult></PaymentResponse></SaleToPOIResponse>'
    ).encode()
)
REFUSED = Heard(
    (
        "<SaleToPOIResponse>" + HEADER.format("Payment") + "<PaymentResponse>"
        '<Response Result="Failure" ErrorCondition="Busy"><AdditionalResponse>code=NB-202; retry=yes; text=Busy now.'
        "</AdditionalResponse></Response></PaymentResponse></SaleToPOIResponse>"
    ).encode()
)
TOLD = Heard(
    (
        "<SaleToPOIResponse>" + HEADER.format("TransactionStatus") + "<TransactionStatusResponse><Response "
        'Result="Success"/><RepeatedMessageResponse>'
        + HEADER.format("Payment")
        + "<PaymentResponse><Response "
        'Result="Success"/><PaymentResult><AmountsResp AuthorizedAmount="10.00"/></PaymentResult></PaymentResponse>'
        "</RepeatedMessageResponse></TransactionStatusResponse></SaleToPOIResponse>"
    ).encode()
)
EVENT = Heard(
    b'<SaleToPOIRequest><MessageHeader MessageClass="Event" MessageCategory="Event" MessageType="Notification" '
    b'DeviceID="9" SaleID="S1" POIID="P1"/><EventNotification TimeStamp="2026-01-01T00:00:00Z" '
    b'EventToNotify="Reject"><EventDetails>code=NB-322; retry=no; text=No such.</EventDetails></EventNotification>'
    b"</SaleToPOIRequest>"
)


def wrong(heard: Heard, text: str) -> list[str]:
    (line,) = parse(f"POS< {text}").lines
    hear = line.statement
    assert isinstance(hear, Hear)
    assert hear.told is not None
    found = differences(heard, hear.told)
    return found if hear.inner is None else found + inner_differences(heard, hear.inner)


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        (PAID, "Payment Success AuthorizedAmount=10.00 ServiceID=7"),
        (PAID, "Payment AuthorizedAmount=any TipAmount=none"),
        (REFUSED, "Payment Failure Busy code=NB-202 retry=yes text~=now"),
        (TOLD, "TransactionStatus Success of Payment Success AuthorizedAmount=10.00"),
        (TOLD, "TransactionStatus Success AuthorizedAmount=none"),
        (EVENT, "Event Reject code=NB-322 DeviceID=9"),
    ],
)
def test_what_it_says(heard: Heard, text: str) -> None:
    assert wrong(heard, text) == []


@pytest.mark.parametrize(
    ("heard", "text", "why"),
    [
        (PAID, "Login Success", "it is Payment, not Login"),
        (PAID, "Payment Failure", "Failure was expected, Success came"),
        (PAID, "Payment Success Busy", "Busy was expected, nothing came"),
        (PAID, "Payment Success Busy Too", "Too is too much"),
        (PAID, "Payment AuthorizedAmount=9.00", "AuthorizedAmount=9.00 was expected, '10.00' came"),
        (PAID, "Payment TipAmount=1.00", "TipAmount=1.00 was expected, none came"),
        (PAID, "Payment AuthorizedAmount=none", "AuthorizedAmount=none was expected, '10.00' came"),
        (PAID, "Payment Success of Payment Success", "it repeats no message"),
        (REFUSED, "Payment Failure Busy text~=later", "text~=later was expected"),
        (TOLD, "TransactionStatus Success of Payment Failure", "Failure was expected, Success came"),
        (EVENT, "Event Completed", "Completed was expected"),
    ],
)
def test_what_it_does_not_say(heard: Heard, text: str, why: str) -> None:
    assert why in "; ".join(wrong(heard, text))


def test_a_repeated_message_is_the_original_one() -> None:
    assert repeats(TOLD, PAID)
    assert not repeats(TOLD, REFUSED)
    assert not repeats(PAID, PAID)


def test_it_is_shown_in_one_line() -> None:
    assert str(PAID) == "Payment Success ServiceID=7 SaleID=S1 AuthorizedAmount=10.00"
    assert str(EVENT) == "Event Reject DeviceID=9 SaleID=S1 code='NB-322' retry='no' text='No such.'"
    assert (REFUSED.code, REFUSED.condition, PAID.code, EVENT.condition) == ("NB-202", "Busy", "", "")
