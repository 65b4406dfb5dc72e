"""Rule R3: which request is "the same", judged in this order: key, SaleTransactionID, Busy.

Pure judgements over what is in memory and what the journal found; ``bridge`` acts on them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nexo_bridge.core import decisions as did
from nexo_bridge.core.exchange import Exchange
from nexo_bridge.core.journal import Query
from nexo_bridge.core.signals import Delivery, Refused
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
        sources: who waits for the answer, newest last.
        aborted: ServiceID of an Abort that came first.
        room: whether the disk had room for it when it came.
        deliveries: to be acknowledged once what became of it is on disk, newest last.
        refused: its transport says that it must not be acted on.
        tolerated: see ``signals.Arrived``.
    """

    id: str
    message: Message
    version: Version
    digest: str
    received_at: float
    key: str
    sources: list[Source] = field(default_factory=list)
    aborted: str | None = None
    room: bool = True
    deliveries: list[Delivery] = field(default_factory=list)
    refused: Refused | None = None
    tolerated: dict[str, int] | None = None

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
    def has_sale(self) -> bool:
        """Whether its body has a SaleTransactionID."""
        return isinstance(getattr(self.message.body, "sale_data", None), nexo.SaleData)

    @property
    def sale(self) -> str | None:
        """Name of the sale it may charge once only, see ``sale_name``."""
        return sale_name(self.message)


def queries(claim: Claim, since: float) -> tuple[Query, ...]:
    """What the journal is asked before ``claim`` is judged: the very same request, its key, its sale.

    One exchange each is enough, so nothing that was refused meanwhile can hide it. ``since`` is the wall time before
    which a ServiceID or a paid sale counts as free again; the very same body never does.
    """
    asked = [
        Query(refs=(("key", did.request_of(claim.key, claim.digest)),), limit=1),
        Query(refs=(("key", claim.key),), since=since, limit=1),
    ]
    if claim.sale is not None:
        asked.append(Query(refs=(("sale", claim.sale),), since=since))
    return tuple(asked)


def repeat_of(
    claim: Claim, same: Iterable[Exchange], key: Iterable[Exchange], session: str
) -> Exchange | None:
    """The exchange whose stored answer this request gets again; None if it is a new one.

    Args:
        claim: the request.
        same: exchanges with its key and body, newest first.
        key: exchanges with its key, newest first; mismatches are not among them.
        session: id of the login session now, empty without one.

    Raises:
        RepeatMismatch: its ServiceID belongs to another request of this session.
    """
    for exchange in same:
        return exchange
    for exchange in key:
        if exchange.unresolved or exchange.received.session == session:
            raise mismatch(claim)
        break
    return None


def mismatch(claim: Claim) -> RepeatMismatch:
    """The refusal of a used ServiceID with another body."""
    return RepeatMismatch(
        f"ServiceID {claim.service_id} was already used for another request. Retry with a new ServiceID.",
        at="/SaleToPOIRequest/MessageHeader/@ServiceID",
    )


def refuse_paid_sale(known: Iterable[Exchange], policy: SalePolicy) -> None:
    """Refuse a sale that is already paid.

    Raises:
        SaleRepeatedError: one of ``known`` (the same sale) was approved.
    """
    if policy.repeat_sale == "allow":
        return
    for exchange in known:
        settled = exchange.settled
        if settled and settled.result in {"Success", "Partial"}:
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


def sale_name(message: Message) -> str | None:
    """Name of the sale a request may charge once only: its SaleTransactionID, asked for by this type and amount.

    The TimeStamp does not count. None where the rule does not hold: no payment, or a part of a split one.
    """
    body = message.body
    if not isinstance(body, nexo.PaymentRequest):
        return None
    data = body.payment_data or nexo.PaymentData()
    if data.split_payment_flag:
        return None
    amounts = body.payment_transaction.amounts_req
    amount = amounts.requested_amount
    terms = (data.payment_type, "" if amount is None else f"{amount.normalize():f}", amounts.currency)
    return did.sale_of(message.header.sale_id, body.sale_data.sale_transaction_id.transaction_id, *terms)
