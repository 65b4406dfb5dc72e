"""A schema-valid Failure for every category that has an answer, made from as little as a readable header.

Many bodies demand more than a Response: Payment wants SaleData and POIData even when it is refused at once, Input
wants its devices echoed. Where the request cannot be read, the schema's demands are met with what nexo leaves open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

from nexo_bridge.categories.conditions import Failure, additional_response
from nexo_bridge.categories.plan import Facts
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import Element
from nexo_bridge.nexo.messages import Response
from nexo_bridge.nexo.values import Timestamp

T = TypeVar("T", bound=Element)


def response(failure: Failure, *, at: str = "") -> Response:
    """The Response element of a failure."""
    return Response(
        result="Failure",
        error_condition=failure.condition,
        additional_response=additional_response(failure, at=at),
    )


def poi_data(facts: Facts) -> nexo.POIData:
    """POIData of one exchange: its id and the time. Mandatory also where nothing happened."""
    return nexo.POIData(
        poi_transaction_id=nexo.TransactionIdentification(
            transaction_id=facts.reference, time_stamp=facts.timestamp
        )
    )


def sale_data(request: Element | None, seen: tuple[str, str] | None, facts: Facts) -> nexo.SaleData:
    """SaleData to echo: the request's without its secrets, else the ids that could be read, else placeholders."""
    echoed = getattr(request, "sale_data", None)
    if isinstance(echoed, nexo.SaleData):
        return echoed.without_secrets()
    transaction_id, time_stamp = seen or ("unknown", str(facts.timestamp))
    return nexo.SaleData(
        sale_transaction_id=nexo.TransactionIdentification(
            transaction_id=transaction_id, time_stamp=Timestamp(time_stamp)
        )
    )


def failed(
    category: str,
    failure: Failure,
    facts: Facts,
    *,
    request: Element | None = None,
    seen: tuple[str, str] | None = None,
    at: str = "",
) -> Element | None:
    """The failed response of ``category``; None if the category has none, or none is wanted.

    Args:
        category: nexo MessageCategory.
        failure: what went wrong.
        facts: time, and the id that becomes the POI's transaction id.
        request: the request's body if it could be read.
        seen: (TransactionID, TimeStamp) of SaleTransactionID if the body could not be read whole.
        at: XPath of the cause.
    """
    made = response(failure, at=at)
    if category in _WITH_SALE:
        body_type = _WITH_SALE[category]
        return body_type(
            response=made,  # type: ignore[call-arg]  # the four classes of the table have these three fields
            sale_data=sale_data(request, seen, facts),
            poi_data=poi_data(facts),
        )
    if category in _PLAIN:
        return _PLAIN[category](response=made)  # type: ignore[call-arg]  # all of the table have this field
    special = _SPECIAL.get(category)
    return special(made, request) if special else None


_WITH_SALE: Mapping[str, type[Element]] = MappingProxyType(
    {
        "Payment": nexo.PaymentResponse,
        "CardAcquisition": nexo.CardAcquisitionResponse,
        "Loyalty": nexo.LoyaltyResponse,
        "StoredValue": nexo.StoredValueResponse,
    }
)

_PLAIN: Mapping[str, type[Element]] = MappingProxyType(
    {
        "Admin": nexo.AdminResponse,
        "BalanceInquiry": nexo.BalanceInquiryResponse,
        "Batch": nexo.BatchResponse,
        "CardReaderInit": nexo.CardReaderInitResponse,
        "CardReaderPowerOff": nexo.CardReaderPowerOffResponse,
        "Diagnosis": nexo.DiagnosisResponse,
        "EnableService": nexo.EnableServiceResponse,
        "Login": nexo.LoginResponse,
        "Logout": nexo.LogoutResponse,
        "PIN": nexo.PINResponse,
        "Reversal": nexo.ReversalResponse,
        "Sound": nexo.SoundResponse,
        "TransactionStatus": nexo.TransactionStatusResponse,
        "Transmit": nexo.TransmitResponse,
    }
)


def _display(made: Response, request: Element | None) -> Element | None:
    """One result for each output that wants one; none wanted, no answer (nexo Display)."""
    if not isinstance(request, nexo.DisplayRequest):
        return nexo.DisplayResponse(output_result=(_output_result("CashierDisplay", "Display", made),))
    results = tuple(
        _output_result(output.device, output.info_qualify, made)
        for output in request.display_output
        if output.response_required_flag
    )
    return nexo.DisplayResponse(output_result=results) if results else None


def _output_result(device: str, info_qualify: str, made: Response) -> nexo.OutputResult:
    return nexo.OutputResult(device=device, info_qualify=info_qualify, response=made)


def _input(made: Response, request: Element | None) -> Element:
    device, info_qualify, shown = "CashierInput", "Input", None
    if isinstance(request, nexo.InputRequest):
        device, info_qualify = request.input_data.device, request.input_data.info_qualify
        output = request.display_output
        if output is not None:
            shown = _output_result(output.device, output.info_qualify, made)
    result = nexo.InputResult(device=device, info_qualify=info_qualify, response=made)
    return nexo.InputResponse(output_result=shown, input_result=result)


def _print(made: Response, request: Element | None) -> Element:
    qualifier = (
        request.print_output.document_qualifier if isinstance(request, nexo.PrintRequest) else "Document"
    )
    return nexo.PrintResponse(document_qualifier=qualifier, response=made)


def _reconciliation(made: Response, request: Element | None) -> Element:
    kind = "SaleReconciliation"
    if isinstance(request, nexo.ReconciliationRequest):
        kind = request.reconciliation_type
    return nexo.ReconciliationResponse(reconciliation_type=kind, response=made)


def _get_totals(made: Response, request: Element | None) -> Element:
    return nexo.GetTotalsResponse(poi_reconciliation_id="0", response=made)


def _transaction_report(made: Response, request: Element | None) -> Element:
    return nexo.TransactionReportResponse(report_full_size=0, block_start=0, block_stop=0, response=made)


def _apdu(made: Response, request: Element | None) -> Element:
    return nexo.CardReaderAPDUResponse(card_status_words="bwA=", response=made)  # 6F00: no precise diagnosis


_SPECIAL: Mapping[str, Callable[[Response, Element | None], Element | None]] = MappingProxyType(
    {
        "CardReaderAPDU": _apdu,
        "Display": _display,
        "GetTotals": _get_totals,
        "Input": _input,
        "Print": _print,
        "Reconciliation": _reconciliation,
        "TransactionReport": _transaction_report,
    }
)
