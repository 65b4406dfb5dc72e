"""How a request of the POS ended, in the words a script reads: one JSON line and an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nexo_bridge.nexo.messages import (
    EventNotification,
    Message,
    PaymentResponse,
    Response,
    TransactionStatusResponse,
)
from nexo_bridge.redaction import mask_free_text, printable


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known.

    Attributes:
        service_id: of the request it is about: a status tells of the payment, not of itself.
        result: nexo's Result; Unknown if it was sent and nothing is certain.
        condition: ErrorCondition.
        authorized: AuthorizedAmount as the POI wrote it; the amount to book.
        text: for the cashier.
    """

    service_id: str
    result: Literal["Success", "Partial", "Failure", "Unknown"]
    condition: str | None = None
    authorized: str | None = None
    text: str = ""

    @property
    def known(self) -> bool:
        """False: ask again, and never charge again meanwhile."""
        return self.result != "Unknown"

    @property
    def exit_code(self) -> int:
        """0 approved or done, 1 declined or certainly nothing, 3 unknown."""
        return {"Success": 0, "Partial": 0, "Failure": 1, "Unknown": 3}[self.result]

    def line(self) -> dict[str, str | None]:
        """The members of the JSON line."""
        return {
            "serviceId": self.service_id,
            "result": self.result,
            "condition": self.condition,
            "authorized": self.authorized,
            "text": self.text,
        }


def nothing_sent(service_id: str, why: str) -> Ending:
    """Certain: no byte of the request left us."""
    return Ending(service_id, "Failure", "UnreachableHost", text=why)


def unknown(service_id: str, why: str, condition: str | None = None) -> Ending:
    """It was sent, or may have been; how it ended is not known."""
    return Ending(service_id, "Unknown", condition, text=why)


def of_answer(message: Message, service_id: str) -> Ending:
    """The ending a response or an event tells; of a TransactionStatus, that of the payment inside.

    Two results on two levels are TransactionStatus's trap: the outer one only says whether the inner one is known.
    NotFound is certain, every other outer failure leaves the payment unknown.
    """
    body = message.body
    if isinstance(body, TransactionStatusResponse):
        return _of_status(body, service_id)
    if isinstance(body, EventNotification):
        return Ending(
            service_id, "Failure", body.event_to_notify, text=cashier_text(body.event_details or "")
        )
    response = getattr(body, "response", None)
    if not isinstance(response, Response):
        return Ending(service_id, "Success")
    return _of_response(response, service_id, body if isinstance(body, PaymentResponse) else None)


def _of_status(body: TransactionStatusResponse, service_id: str) -> Ending:
    repeated = body.repeated_message_response
    if body.response.result == "Failure":
        condition, text = body.response.error_condition, cashier_text(body.response.additional_response or "")
        if condition == "NotFound":
            return Ending(service_id, "Failure", condition, text=text)
        return unknown(service_id, text, condition)
    if repeated is None:
        return unknown(service_id, "the answer to TransactionStatus says nothing about the payment")
    inner = (
        repeated.payment_response
        or repeated.reversal_response
        or repeated.loyalty_response
        or repeated.stored_value_response
        or repeated.card_acquisition_response
        or repeated.card_reader_apdu_response
    )
    named = repeated.message_header.service_id or ""
    if inner is None or (service_id and named != service_id):
        return unknown(service_id, "the answer to TransactionStatus is about something else")
    return _of_response(inner.response, named, inner if isinstance(inner, PaymentResponse) else None)


def _of_response(response: Response, service_id: str, payment: PaymentResponse | None) -> Ending:
    text, condition = cashier_text(response.additional_response or ""), response.error_condition
    if response.result == "Failure":
        if condition == "InProgress":  # a POI that could not wait with its response and does not know yet
            return unknown(service_id, text, condition)
        return Ending(service_id, "Failure", condition, text=text)
    amounts = payment.payment_result.amounts_resp if payment and payment.payment_result else None
    return Ending(
        service_id,
        "Partial" if response.result == "Partial" else "Success",
        condition,
        str(amounts.authorized_amount) if amounts else None,
        text,
    )


def cashier_text(additional: str) -> str:
    """The sentence for the cashier in an AdditionalResponse; all of it if it has another format."""
    _, found, text = additional.partition("text=")
    return mask_free_text(printable(text if found else additional))
