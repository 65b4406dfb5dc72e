"""Payment: Normal, by card or by QR code (nexo PaymentRequest and PaymentResponse)."""

from __future__ import annotations

from typing import assert_never

from nexo_bridge.categories import conditions, failures
from nexo_bridge.categories.conditions import FAILURES
from nexo_bridge.categories.plan import (
    AnswerNow,
    Ask,
    Category,
    Ending,
    Facts,
    NeverCreated,
    NotStarted,
    Plan,
    ResolvedUnpaid,
    Shown,
    Steps,
)
from nexo_bridge.errors import Refusal
from nexo_bridge.money import Amount, from_minor, to_minor
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.messages import Message, PaymentRequest, PaymentResponse
from nexo_bridge.policy import Terminal
from nexo_bridge.ppaas.models import (
    Approved,
    CardCreate,
    Declined,
    DisplayBody,
    NotSent,
    Order,
    PaymentAmount,
    Pending,
    QrCreate,
    Transaction,
)
from nexo_bridge.redaction import Secret

_DATA = "/SaleToPOIRequest/PaymentRequest/PaymentData"
_AMOUNTS = "/SaleToPOIRequest/PaymentRequest/PaymentTransaction/AmountsReq"
_SCANNED_KEY = "scannedPaymentId"


class CodesDifferError(Refusal):
    """The request carries two scanned codes that are not the same."""

    condition = "MessageFormat"
    code = "NB-207"


class AmountNotUsableError(Refusal):
    """The amount cannot be charged in this currency."""

    condition = "MessageFormat"
    code = "NB-208"


def plan(message: Message, request: PaymentRequest, facts: Facts) -> Plan:
    """One sale: by QR code if the POS, the brand or the terminal's default says so, else by card."""
    data = request.payment_data or nexo.PaymentData()
    if data.payment_type != "Normal" or data.card_acquisition_reference is not None:
        return AnswerNow(_failed(request, facts, FAILURES["UNAVAILABLE"]))
    amounts = request.payment_transaction.amounts_req
    amount = _minor(amounts.requested_amount, amounts.currency)
    terminal = facts.terminal
    assert terminal is not None, "a request for an unknown terminal is refused before it is planned"
    order = Order(order_id=facts.key, order_description=_description(request))
    paid = PaymentAmount(amount=amount, currency=amounts.currency)
    scanned = _scanned_code(request)
    payment_type = _qr_payment_type(request, facts, terminal, scanned)
    if payment_type is not None:
        qr = QrCreate(
            payment_type=payment_type,
            payment_scenario="merchantscan" if scanned else "consumerscan",
            scanned_payment_id=scanned,
            client_transaction_id=facts.key,
            payment_amount=paid,
            order=order,
        )
        ask = Ask(
            "sale", "create_qr", qr, amount, amounts.currency, "read_qr", "find_qr", "fence_qr", "cancel_qr"
        )
        return Steps((ask,))
    card = CardCreate(
        client_transaction_id=facts.key,
        payment_amount=paid,
        tip_amount=_part(amounts.tip_amount, amounts.currency),
        cashback_amount=_part(amounts.cash_back_amount, amounts.currency),
        order=order,
    )
    # A card payment is stopped at the terminal, never by the cancel operation: that one is a void (rule R6).
    ask = Ask(
        "sale",
        "create_card",
        card,
        amount,
        amounts.currency,
        "read_card",
        "find_card",
        "fence_card",
        "terminal_abort",
    )
    return Steps((ask,))


def reply(request: PaymentRequest, ending: Ending, facts: Facts) -> PaymentResponse:
    """The answer once the outcome is certain."""
    match ending:
        case Approved(transaction=transaction):
            return _approved(request, transaction, facts)
        case Declined(transaction=transaction):
            failure = conditions.of_decline(
                transaction.status, transaction.decline_code, wished=facts.wished is not None
            )
        case NotSent(code=code):
            failure = FAILURES[conditions.NOT_DONE.get(code, "NOT_SENT")]
        case NeverCreated():
            failure = FAILURES["ABORTED" if facts.wished == "pos" else "NEVER_CREATED"]
        case ResolvedUnpaid():
            failure = FAILURES["RESOLVED"]
        case NotStarted(because=because):
            failure = FAILURES["ABORTED_BEFORE_START" if because == "abort" else "NOT_STARTED"]
        case _:
            assert_never(ending)
    return _failed(request, facts, failure)


def progress(request: PaymentRequest, pending: Pending, facts: Facts) -> Shown:
    """Show the QR code the customer is to scan: on the terminal, and on the POS's customer display if it has one."""
    code = pending.transaction.qr
    if code is None:
        return Shown()
    line = f"{request.payment_transaction.amounts_req.requested_amount} {pending.transaction.currency}"
    on_terminal = DisplayBody(format="QRCODE", qr_content=code.content, text=line)
    session = facts.session
    if session is None or "CustomerDisplay" not in session.capabilities:
        return Shown(to_terminal=(on_terminal,))
    return Shown(to_terminal=(on_terminal,), to_pos=(_qr_display(code.content),))


def _qr_display(content: str) -> nexo.DisplayRequest:
    output = nexo.DisplayOutput(
        response_required_flag=False,
        device="CustomerDisplay",
        info_qualify="Display",
        output_content=nexo.OutputContent(
            output_format="BarCode",
            output_barcode=nexo.OutputBarcode(barcode_type="QRCODE", barcode_value=content),
        ),
    )
    return nexo.DisplayRequest(display_output=(output,))


def _minor(amount: Amount | None, currency: str) -> int:
    if amount is None or amount <= 0:
        raise AmountNotUsableError("A payment needs an amount above zero.", at=f"{_AMOUNTS}/@RequestedAmount")
    try:
        return to_minor(amount, currency)
    except ValueError as problem:
        raise AmountNotUsableError(f"The amount does not fit the currency: {problem}.", at=_AMOUNTS) from None


def _part(amount: Amount | None, currency: str) -> int | None:
    return _minor(amount, currency) if amount else None


def _description(request: PaymentRequest) -> str:
    """What the platform shows for the order: the sale's own id, which says nothing about the customer."""
    return f"Sale {request.sale_data.sale_transaction_id.transaction_id}"[:100]


def _instrument(request: PaymentRequest) -> nexo.PaymentInstrumentData | None:
    return request.payment_data.payment_instrument_data if request.payment_data else None


def _qr_payment_type(
    request: PaymentRequest, facts: Facts, terminal: Terminal, scanned: Secret | None
) -> str | None:
    """The wallet scheme to ask for, or None for a card payment."""
    conditions_asked = request.payment_transaction.transaction_conditions
    brands = facts.policy.brands
    for brand in conditions_asked.allowed_payment_brand if conditions_asked else ():
        if brand in brands and (scheme := brands[brand]) is not None:
            return scheme or terminal.payment_type
        if brand in brands and scanned is None:
            return None
    instrument = _instrument(request)
    kind = instrument.payment_instrument_type if instrument else None
    if scanned is not None or kind == "Mobile" or (kind is None and terminal.default == "qr"):
        return terminal.payment_type
    return None


def _scanned_code(request: PaymentRequest) -> Secret | None:
    """The code the cashier scanned from the customer, if the request carries one.

    Raises:
        CodesDifferError: SaleToAcquirerData and CardData carry two different ones.
    """
    found: list[Secret] = []
    data = request.sale_data.sale_to_acquirer_data
    if data is not None and (pair := data.part(_SCANNED_KEY)) is not None:
        found.append(pair)
    instrument = _instrument(request)
    card = instrument.card_data if instrument else None
    if card is not None and "Scanned" in card.entry_mode and card.payment_token is not None:
        found.append(card.payment_token.token_value)
    if len(found) == 2 and found[0] != found[1]:
        raise CodesDifferError(
            "The request carries two different scanned codes.",
            at=f"{_DATA}/PaymentInstrumentData/CardData/PaymentToken",
        )
    return found[0] if found else None


def _failed(request: PaymentRequest, facts: Facts, failure: conditions.Failure) -> PaymentResponse:
    return PaymentResponse(
        response=failures.response(failure),
        sale_data=failures.sale_data(request, None, facts),
        poi_data=failures.poi_data(facts),
    )


def _approved(request: PaymentRequest, transaction: Transaction, facts: Facts) -> PaymentResponse:
    """Success, or Partial when less than asked was authorised; the amount to book is AuthorizedAmount."""
    currency = transaction.currency
    authorised = transaction.amount if transaction.authorised is None else transaction.authorised
    asked = facts.asked[0] if facts.asked else transaction.amount
    amounts = nexo.AmountsResp(
        currency=currency,
        authorized_amount=from_minor(authorised, currency),
        total_fees_amount=_optional(transaction.surcharge, currency),
        cash_back_amount=_optional(transaction.cashback, currency),
        tip_amount=_optional(transaction.tip, currency),
    )
    result = nexo.PaymentResult(
        payment_instrument_data=_instrument_used(transaction, by_card=facts.operation != "create_qr"),
        amounts_resp=amounts,
        payment_acquirer_data=nexo.PaymentAcquirerData(
            merchant_id="PPaaS",
            acquirer_poi_id=transaction.device_id,
            acquirer_transaction_id=nexo.TransactionIdentification(
                transaction_id=transaction.transaction_id, time_stamp=facts.timestamp
            ),
            approval_code=transaction.approval_code or None,
        ),
    )
    return PaymentResponse(
        response=_partial() if authorised < asked else nexo.Response(result="Success"),
        sale_data=failures.sale_data(request, None, facts),
        poi_data=failures.poi_data(facts),
        payment_result=result,
    )


def _partial() -> nexo.Response:
    """Less than asked was authorised; like every result but Success it names a condition (nexo Response)."""
    failure = FAILURES["PARTIAL"]
    return nexo.Response(
        result="Partial",
        error_condition=failure.condition,
        additional_response=conditions.additional_response(failure),
    )


def _optional(minor: int | None, currency: str) -> Amount | None:
    return from_minor(minor, currency) if minor else None


def _instrument_used(transaction: Transaction, *, by_card: bool) -> nexo.PaymentInstrumentData:
    """How it was paid. Wallets are Mobile; only a card number that is already masked is passed on."""
    entry = _ENTRY_MODES.get(transaction.entry_mode or "")
    card = nexo.CardData(
        payment_brand=transaction.brand,
        masked_pan=transaction.masked_pan,
        entry_mode=(entry,) if entry else (),
    )
    empty = card == nexo.CardData()
    return nexo.PaymentInstrumentData(
        payment_instrument_type="Card" if by_card else "Mobile", card_data=None if empty else card
    )


_ENTRY_MODES = {
    "ICC": "ICC",
    "CONTACTLESS": "Contactless",
    "MAGSTRIPE": "MagStripe",
    "MANUAL": "Keyed",
    "SCANNED": "Scanned",
}

PAYMENT: Category[PaymentRequest, PaymentResponse] = Category(
    "Payment", plan=plan, reply=reply, progress=progress, guarded=True
)
