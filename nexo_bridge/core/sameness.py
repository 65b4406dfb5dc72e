"""Rule R3: which request is "the same", judged in this order: key, SaleTransactionID, Busy.

Pure judgements over what is in memory and what the journal found; ``bridge`` acts on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from nexo_bridge.core import decisions as did
from nexo_bridge.core.exchange import Exchange
from nexo_bridge.core.source import Source
from nexo_bridge.errors import Refusal, RepeatMismatch, TerminalBusy
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.elements import Version
from nexo_bridge.nexo.messages import Message
from nexo_bridge.policy import SalePolicy


class SaleRepeatedError(Refusal):
    """This sale is already paid under another ServiceID."""

    condition = "NotAllowed"
    code = "NB-205"
    retry = "check"


class SaleRunningError(Refusal):
    """This sale is being paid under another ServiceID."""

    condition = "Busy"
    code = "NB-206"
    retry = "check"


@dataclass(slots=True)
class Claim:
    """A money request from its arrival to its plan: what it reserves, so that nothing is planned beside it.

    Attributes:
        key: rule R3's key.
        sale: (type, amount, currency) of a sale that may be charged once only; None where the rule does not hold.
        sources: who waits for the answer, newest last.
        aborted: ServiceID of an Abort that came first.
    """

    id: str
    message: Message
    version: Version
    digest: str
    received_at: float
    key: str
    sources: list[Source] = field(default_factory=list)
    aborted: str | None = None

    @property
    def sale_id(self) -> str:
        """SaleID of the header."""
        return self.message.header.sale_id

    @property
    def poi_id(self) -> str:
        """POIID of the header."""
        return self.message.header.poi_id

    @property
    def category(self) -> str:
        """MessageCategory of the header."""
        return self.message.header.message_category

    @property
    def service_id(self) -> str:
        """ServiceID of the header; the rules let no request of the table in without one."""
        return self.message.header.service_id or ""

    @property
    def sale(self) -> str | None:
        """Name of its SaleTransactionID, None if it has none."""
        data = getattr(self.message.body, "sale_data", None)
        if not isinstance(data, nexo.SaleData):
            return None
        return did.sale_of(self.sale_id, data.sale_transaction_id.transaction_id)


def repeat_of(claim: Claim, known: Iterable[Exchange], session: str, since: float = 0.0) -> Exchange | None:
    """The exchange whose stored answer this request gets again; None if it is a new one.

    Args:
        claim: the request.
        known: exchanges with its key, newest first, as the journal has them.
        session: id of the login session now, empty without one.
        since: wall time before which a ServiceID counts as free again; the very same body never does.

    Raises:
        RepeatMismatch: its ServiceID belongs to another request of this session.
    """
    others = []
    for exchange in known:
        if exchange.received.digest == claim.digest:
            return exchange
        if not exchange.received.mismatch and exchange.received_at >= since:
            others.append(exchange)
    if others and (others[0].unresolved or others[0].received.session == session):
        raise mismatch(claim)
    return None


def mismatch(claim: Claim) -> RepeatMismatch:
    """The refusal of a used ServiceID with another body."""
    return RepeatMismatch(
        f"ServiceID {claim.service_id} was already used for another request. Retry with a new ServiceID.",
        at="/SaleToPOIRequest/MessageHeader/@ServiceID",
    )


def refuse_paid_sale(claim: Claim, known: Iterable[Exchange], policy: SalePolicy) -> None:
    """Refuse a sale that is already paid.

    Raises:
        SaleRepeatedError: one of ``known`` (same SaleTransactionID) was approved for the same type and amount.
    """
    if policy.repeat_sale == "allow":
        return
    for exchange in known:
        settled = exchange.settled
        if (
            settled
            and settled.result in {"Success", "Partial"}
            and same_sale(claim.message, exchange.request)
        ):
            raise SaleRepeatedError(
                f"This sale is already paid by ServiceID {exchange.received.service_id}."
                " Ask TransactionStatus; do not charge again."
            )


def running_sale(service_id: str) -> SaleRunningError:
    """The refusal of a sale that is being paid under ``service_id``."""
    return SaleRunningError(
        f"This sale is being paid by ServiceID {service_id}. Ask TransactionStatus; do not charge again."
    )


def busy(service_id: str, sale_id: str, policy: SalePolicy) -> TerminalBusy:
    """The refusal of a request for a terminal that an exchange holds."""
    kind = NotAllowedBusyError if policy.busy_condition == "NotAllowed" else TerminalBusy
    return kind(f"The terminal is busy with ServiceID {service_id} of {sale_id}. Retry with a new ServiceID.")


class NotAllowedBusyError(TerminalBusy):
    """TerminalBusy for a Sale System that wants NotAllowed instead."""

    condition = "NotAllowed"


def same_sale(one: Message, other: Message) -> bool:
    """Whether two requests with one SaleTransactionID ask for the same money: type and amount, not a split part."""
    first, second = _sale_terms(one), _sale_terms(other)
    return first is not None and first == second


def _sale_terms(message: Message) -> tuple[str, Decimal | None, str] | None:
    body = message.body
    if not isinstance(body, nexo.PaymentRequest):
        return None
    data = body.payment_data or nexo.PaymentData()
    if data.split_payment_flag:
        return None
    amounts = body.payment_transaction.amounts_req
    return data.payment_type, amounts.requested_amount, amounts.currency
