"""TransactionStatus: what became of an earlier request (nexo TransactionStatusRequest, rule R9)."""

from __future__ import annotations

from nexo_bridge.categories.plan import Category, Facts, Plan, ReportOn
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import Element
from nexo_bridge.nexo.messages import (
    Message,
    MessageReference,
    TransactionStatusRequest,
    TransactionStatusResponse,
)


def plan(message: Message, request: TransactionStatusRequest, facts: Facts) -> Plan:
    """Report on the message named, or on the last accepted one."""
    return ReportOn(request.message_reference)


def found(
    reference: MessageReference, header: nexo.MessageHeader, answer: Element
) -> TransactionStatusResponse:
    """Success outside; the real result is inside, with header and body of the original answer."""
    assert isinstance(answer, nexo.PaymentResponse), (
        "only stored answers of repeatable categories are reported"
    )
    repeated = nexo.RepeatedMessageResponse(message_header=header, payment_response=answer)
    return TransactionStatusResponse(
        response=nexo.Response(result="Success"),
        message_reference=reference,
        repeated_message_response=repeated,
    )


REPEATABLE = frozenset({"Payment"})
"""Categories whose stored answer a RepeatedMessageResponse can carry and this bridge gives."""

TRANSACTION_STATUS: Category[TransactionStatusRequest, TransactionStatusResponse] = Category(
    "TransactionStatus", plan=plan, sessionless=True, overlaps=True
)
