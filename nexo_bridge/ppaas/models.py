"""What PPaaS is told and what it says: bodies, answers and the outcomes made of them.

Outcomes of a call that may move money are five, never fewer: ``Approved``, ``Declined``, ``Pending``, ``NotSent``
(certain: nothing was done) and ``Unknown`` (it may have happened). Calls that ask rather than move have three more
readable answers: ``Absent``, ``Accepted`` and ``TerminalIs``. Which HTTP answer becomes which is rule R4.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """A frozen value that can be journalled as JSON and read back equal."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QrCode(Model):
    """What the customer scans. ``content`` is shown, never logged."""

    content: str
    image_base64: str | None = None
    expires_at: str | None = None


class Transaction(Model):
    """The platform's word about one transaction; amounts in minor units of ``currency``."""

    transaction_id: str
    client_transaction_id: str
    device_id: str
    status: str
    amount: int
    currency: str
    authorised: int | None = None
    tip: int | None = None
    surcharge: int | None = None
    cashback: int | None = None
    qr: QrCode | None = None
    decline_code: str | None = None
    decline_message: str | None = None
    approval_code: str | None = None
    brand: str | None = None
    masked_pan: str | None = None
    entry_mode: str | None = None
    updated_at: str | None = None


class Approved(Model):
    """A readable final yes; status APPROVED or PARTIALLY_APPROVED."""

    kind: Literal["approved"] = "approved"
    transaction: Transaction


class Declined(Model):
    """A readable final no; status DECLINED, CANCELLED, EXPIRED or FAILED."""

    kind: Literal["declined"] = "declined"
    transaction: Transaction


class Pending(Model):
    """A readable status that is not final, also one we do not know."""

    kind: Literal["pending"] = "pending"
    transaction: Transaction


class NotSent(Model):
    """Certain: nothing was done. ``code`` is the platform's or ours (``DNS``, ``CONNECT``, ``TLS``, ``POOL``, ``TOKEN``)."""

    kind: Literal["not_sent"] = "not_sent"
    code: str
    reason: str
    status: int | None = None


class Unknown(Model):
    """It may have happened; ``reason`` is ours, never the peer's text."""

    kind: Literal["unknown"] = "unknown"
    reason: str
    status: int | None = None


class Absent(Model):
    """The platform names no such transaction: 404, an empty array, or a fence that says ``found: false``."""

    kind: Literal["absent"] = "absent"


class Accepted(Model):
    """The platform took the wish and said no more."""

    kind: Literal["accepted"] = "accepted"


class TerminalIs(Model):
    """Answer of the terminal status: IDLE, BUSY, OUT_OF_ORDER, or what it says instead."""

    kind: Literal["terminal_is"] = "terminal_is"
    state: str


Outcome = Annotated[
    Approved | Declined | Pending | NotSent | Unknown | Absent | Accepted | TerminalIs,
    Field(discriminator="kind"),
]
"""Result of performing one row of ``ppaas.operations``; adapters return it and never raise."""

Json = dict[str, Any]
