"""Idempotency keys (rule R2): made once, journalled with *asking*, never computed again."""

from __future__ import annotations

import json
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f0c5d0e-6a0b-5c57-9c1e-0d6f6b7a2b11")


def idempotency_key(
    *,
    installation: str,
    environment: str,
    serial: str,
    sale_id: str,
    poi_id: str,
    category: str,
    service_id: str,
    digest: str,
    session: str,
    role: str,
    n: int,
) -> str:
    """Key of one step of one request.

    ServiceIDs are not unique over days, logins or shops, so the digest of the body (which holds SaleTransactionID and
    its TimeStamp) is part of it. ``session`` is empty for a body that has a SaleTransactionID.
    """
    parts = [
        installation,
        environment,
        serial,
        sale_id,
        poi_id,
        category,
        service_id,
        digest,
        session,
        role,
        n,
    ]
    return str(uuid5(_NAMESPACE, json.dumps(parts, ensure_ascii=False)))


def derived(key: str, role: str, n: int) -> str:
    """Key of a later step (a cancel, a fence) of the exchange whose money step has ``key``."""
    return str(uuid5(UUID(key), f"{role}|{n}"))
