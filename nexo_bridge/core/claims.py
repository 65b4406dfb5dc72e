"""What is written down of a money request when it is taken or refused, and how its delivery is acknowledged."""

from __future__ import annotations

from collections.abc import Iterator

from nexo_bridge.categories.plan import Session
from nexo_bridge.core import decisions as did
from nexo_bridge.core.sameness import Claim
from nexo_bridge.core.signals import Accept, Command


def accepted(claim: Claim, exchange: str) -> Iterator[Command]:
    """Acknowledge what brought ``claim``, behind what was written of ``exchange``."""
    for one in claim.deliveries:
        yield Accept(one.source, one.ack, exchange)


def received(
    claim: Claim, session: Session | None, *, refused: bool = False, mismatch: bool = False
) -> did.Received:
    """The decision that ``claim`` was taken, or ``refused``, as a ``mismatch`` of a key that is another's."""
    transaction = getattr(claim.message.body, "payment_transaction", None)
    amounts = transaction.amounts_req if transaction is not None else None
    return did.Received(
        request=claim.message.dump(),
        version=claim.version,
        digest=claim.digest,
        session=session.id if session else "",
        category=claim.message.header.message_category,
        sale_id=claim.sale_id,
        poi_id=claim.poi_id,
        service_id=claim.service_id,
        amount=str(amounts.requested_amount)
        if amounts is not None and amounts.requested_amount is not None
        else None,
        currency=amounts.currency if amounts is not None else None,
        refused=refused,
        mismatch=mismatch,
        source=None
        if refused
        else next((source for source in reversed(claim.sources) if source.lasts), None),
        tolerated=claim.tolerated,
    )


def refs(claim: Claim, received: did.Received) -> did.Refs:
    """Names under which the exchange is found again. A mismatch has its own body's only: its key is another's."""
    refs = [("key", did.request_of(claim.key, claim.digest))]
    if not received.mismatch:
        refs.append(("key", claim.key))
        refs.append(("service", did.service_of(claim.sale_id, claim.poi_id, claim.service_id)))
    if not received.refused:
        refs.append(("pair", did.pair_of(claim.sale_id, claim.poi_id)))
        if claim.sale is not None:
            refs.append(("sale", claim.sale))
    return tuple(refs)
