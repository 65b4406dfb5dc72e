"""What a final fact says against a frozen outcome (rule R8): never changed, only written down and told to people."""

from __future__ import annotations

from nexo_bridge.core import decisions as did
from nexo_bridge.core.exchange import Exchange
from nexo_bridge.ppaas.models import Approved, Declined, Outcome

VOIDED = "MERCHANT_CANCELLED"
"""Decline code of an approval that was voided since (contract section 6): a later fact, not another one."""


def against(exchange: Exchange, outcome: Outcome) -> tuple[did.Disagreed, str] | None:
    """The contradiction and a sentence about it; None when ``outcome`` fits, is not final or not about ``exchange``."""
    asking, settled = exchange.asking, exchange.settled
    if asking is None or settled is None or not isinstance(outcome, Approved | Declined):
        return None
    transaction = outcome.transaction
    ours = (asking.key, asking.serial, asking.currency)
    if (transaction.client_transaction_id, transaction.device_id, transaction.currency) != ours:
        return None
    said = did.Disagreed(status=transaction.status, authorised=transaction.authorised)
    if isinstance(outcome, Declined):
        if settled.authorised is None or transaction.decline_code == VOIDED:
            return None
        return said, "the platform says not paid of what was answered as paid"
    if settled.authorised is None:
        return said, "the platform approved what was answered as not paid"
    if (transaction.authorised or 0) > settled.authorised:
        return said, "the platform charged more than was answered"
    return None
