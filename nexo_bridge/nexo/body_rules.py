"""The rules of single elements: one function for each class of element that has any.

A function yields what it found; it never looks above its own element. The words are in ``rule_table``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from nexo_bridge.nexo import messages
from nexo_bridge.nexo.elements import Element
from nexo_bridge.redaction import mask_free_text, printable


class Finding(NamedTuple):
    """One broken rule.

    Attributes:
        rule: its id.
        below: path from the element the rule looks at, empty for that element itself.
        found: what stands there, printable, never a secret.
    """

    rule: str
    below: str
    found: str


NOTHING = "nothing"
RESERVATIONS = ("OneTimeReservation", "FirstReservation", "UpdateReservation", "Completion")
CONTENT_OF_FORMAT: Mapping[str, str] = {
    "MessageRef": "predefined_content",
    "Text": "output_text",
    "XHTML": "output_xhtml",
    "BarCode": "output_barcode",
}
"""Field that holds the content of each OutputFormat."""
ANSWER_FIELDS = (
    "confirmed_flag",
    "function_key",
    "text_input",
    "digit_input",
    "password",
    "menu_entry_number",
)
ANSWERS_OF_COMMAND: Mapping[str, tuple[str, ...]] = {
    "GetAnyKey": (),
    "GetConfirmation": ("confirmed_flag",),
    "SiteManager": ("confirmed_flag",),
    "TextString": ("text_input",),
    "DigitString": ("digit_input",),
    "DecimalString": ("digit_input", "text_input"),
    "GetFunctionKey": ("function_key",),
    "GetMenuEntry": ("menu_entry_number",),
    "Password": ("password",),
}
"""Fields of Input that may answer each InputCommand; the schema has no decimal field."""
_TYPED = ("TextString", "DigitString", "DecimalString")
COMMANDS_OF_OPTION: Mapping[str, tuple[str, ...]] = {
    "immediate_response_flag": ("GetAnyKey",),
    "min_length": (*_TYPED, "Password"),
    "max_length": (*_TYPED, "Password"),
    "max_decimal_length": ("DecimalString",),
    "from_right_to_left_flag": _TYPED,
    "mask_characters_flag": (*_TYPED, "Password"),
    "global_correction_flag": _TYPED,
    "menu_back_flag": ("GetMenuEntry",),
    "default_input_string": _TYPED,
    "string_mask": _TYPED,
}
"""InputCommands each option of InputData means something for."""


def quoted(text: str) -> str:
    """``text`` as it is shown in a violation."""
    return repr(printable(mask_free_text(text), 60))


def is_private(code: str) -> bool:
    """Whether ``code`` is an extension of a list, ``prefix:Value``."""
    return ":" in code


def _wire(element: Element, field: str) -> str:
    return str(type(element).model_fields[field].alias)


def _is_set(value: object) -> bool:
    return value is not None and value is not False and value != ()  # the number 0 is something


# ------------------------------------------------------------------------------------------------ payment, reversal


def _payment_request(request: messages.PaymentRequest) -> Iterator[Finding]:
    data = request.payment_data or messages.PaymentData()
    transaction = request.payment_transaction
    amounts = transaction.amounts_req
    original = transaction.original_poi_transaction
    reference = request.sale_data.sale_reference_id
    kind = data.payment_type
    at_amounts = "/PaymentTransaction/AmountsReq"
    if is_private(kind):
        yield Finding("NX-030", "/PaymentData/@PaymentType", quoted(kind))
    if amounts.requested_amount is None:
        if kind == "OneTimeReservation":
            if amounts.minimum_amount_to_deliver is None:
                yield Finding("NX-033", at_amounts, NOTHING)
        elif kind != "UpdateReservation":
            yield Finding("NX-031", at_amounts, NOTHING)
    else:
        at = f"{at_amounts}/@RequestedAmount"
        if amounts.requested_amount <= 0:
            yield Finding("NX-032", at, quoted(amounts.requested_amount.text))
        parts = (amounts.cash_back_amount or 0) + (amounts.tip_amount or 0)
        if parts > amounts.requested_amount:
            yield Finding("NX-034", at, f"{quoted(amounts.requested_amount.text)} for parts of {parts:f}")
    if amounts.paid_amount is not None and not data.split_payment_flag:
        yield Finding("NX-035", f"{at_amounts}/@PaidAmount", quoted(amounts.paid_amount.text))
    if kind in ("UpdateReservation", "Completion") and original is None and not reference:
        yield Finding("NX-036", "/PaymentTransaction", NOTHING)
    if kind in RESERVATIONS and not reference:
        yield Finding("NX-037", "/SaleData", NOTHING)
    if kind in ("Instalment", "IssuerInstalment") and data.instalment is None:
        yield Finding("NX-038", "/PaymentData", NOTHING)
    if kind == "VoiceAuthorisation" and not (original and original.approval_code):
        yield Finding("NX-039", "/PaymentTransaction", NOTHING)
    if original is not None and not reference and not _names_a_transaction(original):
        yield Finding("NX-040", "/PaymentTransaction/OriginalPOITransaction", NOTHING)


def _names_a_transaction(original: messages.OriginalPOITransaction) -> bool:
    return any(
        _is_set(value)
        for value in (
            original.poi_transaction_id,
            original.host_transaction_id,
            original.approval_code,
            original.last_transaction_flag,
        )
    )


def _reversal_request(request: messages.ReversalRequest) -> Iterator[Finding]:
    if request.reversed_amount is not None and request.reversed_amount <= 0:
        yield Finding("NX-041", "/@ReversedAmount", quoted(request.reversed_amount.text))
    reference = request.sale_reference_id or (request.sale_data and request.sale_data.sale_reference_id)
    if not reference and not _names_a_transaction(request.original_poi_transaction):
        yield Finding("NX-040", "/OriginalPOITransaction", NOTHING)


def _sale_item(item: messages.SaleItem) -> Iterator[Finding]:
    if item.quantity is not None:
        for field in ("unit_of_measure", "unit_price"):
            if getattr(item, field) is None:
                yield Finding("NX-042", "", f"no {_wire(item, field)}")


# ------------------------------------------------------------------------------------------------ other services


def _enable_service_request(request: messages.EnableServiceRequest) -> Iterator[Finding]:
    if request.transaction_action == "StartTransaction" and not request.services_enabled:
        yield Finding("NX-050", "", NOTHING)
    if request.transaction_action == "AbortTransaction" and request.services_enabled:
        yield Finding("NX-051", "/ServicesEnabled", quoted(" ".join(request.services_enabled)))


def _transaction_status_request(request: messages.TransactionStatusRequest) -> Iterator[Finding]:
    if request.receipt_reprint_flag and not request.document_qualifier:
        yield Finding("NX-052", "", NOTHING)


def _stopper(request: messages.AbortRequest | messages.InputUpdate) -> Iterator[Finding]:
    reference = request.message_reference
    if not reference.service_id and not reference.device_id:
        yield Finding("NX-053", "/MessageReference", NOTHING)


def _loyalty_transaction(transaction: messages.LoyaltyTransaction) -> Iterator[Finding]:
    kind = transaction.loyalty_transaction_type
    if is_private(kind):
        yield Finding("NX-054", "/@LoyaltyTransactionType", quoted(kind))
    if kind.endswith("Refund") and transaction.original_poi_transaction is None:
        yield Finding("NX-055", "", NOTHING)


def _stored_value_data(data: messages.StoredValueData) -> Iterator[Finding]:
    kind = data.stored_value_transaction_type
    if is_private(kind):
        yield Finding("NX-054", "/@StoredValueTransactionType", quoted(kind))
    if kind in ("Reverse", "Duplicate") and data.original_poi_transaction is None:
        yield Finding("NX-055", "", NOTHING)


def _transaction_to_perform(item: messages.TransactionToPerform) -> Iterator[Finding]:
    if not item.payment_request and not item.loyalty_request and not item.reversal_request:
        yield Finding("NX-056", "", NOTHING)


def _reconciliation_request(request: messages.ReconciliationRequest) -> Iterator[Finding]:
    kind = request.reconciliation_type
    if request.poi_reconciliation_id is not None and kind != "PreviousReconciliation":
        yield Finding("NX-057", "/@POIReconciliationID", quoted(request.poi_reconciliation_id))
    if request.acquirer_id and kind not in ("AcquirerReconciliation", "AcquirerSynchronisation"):
        yield Finding("NX-058", "/AcquirerID", quoted(request.acquirer_id[0]))


# ------------------------------------------------------------------------------------------------ responses


def _response(response: messages.Response) -> Iterator[Finding]:
    if response.error_condition is None:
        if response.result == "Failure":
            yield Finding("NX-070", "", NOTHING)
        if response.result == "Partial":
            yield Finding("NX-071", "", NOTHING)
    elif response.result == "Success":
        yield Finding("NX-072", "/@ErrorCondition", quoted(response.error_condition))


def _carries(field: str) -> Callable[[Any], Iterator[Finding]]:
    def check(answer: Any) -> Iterator[Finding]:
        if answer.response.result == "Success" and getattr(answer, field) is None:
            yield Finding("NX-073", "", f"no {_wire(answer, field)}")

    return check


def _payment_response(answer: messages.PaymentResponse) -> Iterator[Finding]:
    amounts = answer.payment_result.amounts_resp if answer.payment_result else None
    if answer.response.result == "Success" and amounts is None:
        yield Finding("NX-073", "", "no AmountsResp")
    if answer.response.result == "Failure" and amounts is not None and amounts.authorized_amount > 0:
        found = quoted(amounts.authorized_amount.text)
        yield Finding("NX-074", "/PaymentResult/AmountsResp/@AuthorizedAmount", found)


def _repeated_message_response(repeated: messages.RepeatedMessageResponse) -> Iterator[Finding]:
    header = repeated.message_header
    body = next(name for name in repeated.model_fields_set - {"message_header"} if getattr(repeated, name))
    category = _wire(repeated, body).removesuffix("Response")
    if header.message_category != category:
        yield Finding("NX-075", "/MessageHeader/@MessageCategory", quoted(header.message_category))
    if header.message_type != "Response":
        yield Finding("NX-075", "/MessageHeader/@MessageType", quoted(header.message_type))


# ------------------------------------------------------------------------------------------------ devices, events


def _content(content: messages.OutputContent | messages.MenuEntry) -> Iterator[Finding]:
    if is_private(content.output_format):
        return
    wanted = CONTENT_OF_FORMAT[content.output_format]
    present = {field for field in CONTENT_OF_FORMAT.values() if _is_set(getattr(content, field, None))}
    if present != {wanted}:
        names = " and ".join(sorted(_wire(content, field) for field in present)) or NOTHING
        yield Finding("NX-080", "", f"{names} for {quoted(content.output_format)}")


def _output_barcode(code: messages.OutputBarcode) -> Iterator[Finding]:
    if bool(code.barcode_value) == bool(code.qr_code_binary_value):
        yield Finding("NX-081", "", "two values" if code.barcode_value else NOTHING)
    if code.qr_code_version is not None and not 1 <= int(code.qr_code_version) <= 40:
        yield Finding("NX-082", "/@QRCodeVersion", quoted(code.qr_code_version))


def _display_request(request: messages.DisplayRequest) -> Iterator[Finding]:
    seen = set()
    for number, output in enumerate(request.display_output, 1):
        pair = (output.device, output.info_qualify)
        if pair in seen:
            yield Finding("NX-083", f"/DisplayOutput[{number}]", f"{quoted(' '.join(pair))} again")
        seen.add(pair)


def _input_request(request: messages.InputRequest) -> Iterator[Finding]:
    if request.input_data.input_command == "GetMenuEntry":
        if request.display_output is None or not request.display_output.menu_entry:
            yield Finding("NX-086", "", NOTHING)


def _input_data(data: messages.InputData) -> Iterator[Finding]:
    if not is_private(data.input_command):
        for option, commands in COMMANDS_OF_OPTION.items():
            if _is_set(getattr(data, option)) and data.input_command not in commands:
                yield Finding("NX-084", "", f"{_wire(data, option)} for {quoted(data.input_command)}")
    yield from _lengths(data)


def _lengths(data: messages.InputData | messages.InputUpdate) -> Iterator[Finding]:
    if data.min_length is not None and data.max_length is not None and data.min_length > data.max_length:
        yield Finding("NX-085", "/@MinLength", f"{data.min_length} over {data.max_length}")


def _input(answer: messages.Input) -> Iterator[Finding]:
    if is_private(answer.input_command):
        return
    present = [field for field in ANSWER_FIELDS if getattr(answer, field) is not None]
    allowed = ANSWERS_OF_COMMAND[answer.input_command]
    if len(present) != bool(allowed) or not set(present) <= set(allowed):
        names = " and ".join(_wire(answer, field) for field in present) or NOTHING
        yield Finding("NX-087", "", f"{names} for {quoted(answer.input_command)}")


def _event_notification(event: messages.EventNotification) -> Iterator[Finding]:
    if event.event_to_notify == "Reject" and event.rejected_message is None:
        yield Finding("NX-090", "", NOTHING)
    if event.event_to_notify == "CustomerLanguage" and event.customer_language is None:
        yield Finding("NX-091", "", NOTHING)


Check = Callable[[Any], Iterator[Finding]]
CHECKS: Mapping[type[Element], tuple[Check, ...]] = {
    messages.PaymentRequest: (_payment_request,),
    messages.ReversalRequest: (_reversal_request,),
    messages.SaleItem: (_sale_item,),
    messages.EnableServiceRequest: (_enable_service_request,),
    messages.TransactionStatusRequest: (_transaction_status_request,),
    messages.AbortRequest: (_stopper,),
    messages.InputUpdate: (_stopper, _lengths),
    messages.LoyaltyTransaction: (_loyalty_transaction,),
    messages.StoredValueData: (_stored_value_data,),
    messages.TransactionToPerform: (_transaction_to_perform,),
    messages.ReconciliationRequest: (_reconciliation_request,),
    messages.Response: (_response,),
    messages.LoginResponse: (_carries("poi_system_data"),),
    messages.DiagnosisResponse: (_carries("poi_status"),),
    messages.ReversalResponse: (_carries("poi_data"),),
    messages.TransactionStatusResponse: (_carries("repeated_message_response"),),
    messages.InputResult: (_carries("input"),),
    messages.PaymentResponse: (_payment_response,),
    messages.RepeatedMessageResponse: (_repeated_message_response,),
    messages.OutputContent: (_content,),
    messages.MenuEntry: (_content,),
    messages.OutputBarcode: (_output_barcode,),
    messages.DisplayRequest: (_display_request,),
    messages.InputRequest: (_input_request,),
    messages.InputData: (_input_data,),
    messages.Input: (_input,),
    messages.EventNotification: (_event_notification,),
}
"""What is looked at in each class of element."""
