"""What PPaaS is told and what it says: bodies, answers and the outcomes made of them.

Outcomes of a call that may move money are five, never fewer: ``Approved``, ``Declined``, ``Pending``,
``NotSent`` (certain: nothing was done) and ``Unknown`` (it may have happened). Calls that ask rather than
move have three more readable answers: ``Absent``, ``Accepted`` and ``TerminalIs``. Which HTTP answer becomes
which is rule R4.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from nexo_bridge.redaction import Secret

MAX_AMOUNT = 999_999_999_999
"""The largest amount, in minor units, that is sent or believed."""

MinorUnits = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT)]


class Model(BaseModel):
    """A frozen value that can be journalled as JSON and read back equal."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QrCode(Model):
    """What the customer scans. ``content`` is shown, never logged."""

    content: str
    image_base64: str | None = None
    expires_at: str | None = None


class Transaction(Model):
    """The platform's word about one transaction; amounts in minor units of ``currency``.

    Attributes:
        status: as sent, also one we do not know.
        amount: as requested.
        authorised: the whole sum charged, tip, surcharge and cashback included; None while nothing is.
        tip: part of ``authorised``, asked for by us or added by the customer.
        surcharge: part of ``authorised``, added by the platform.
        other: fields of the answer that we do not read, kept for the journal.
    """

    transaction_id: str
    client_transaction_id: str
    device_id: str
    status: str
    amount: int
    currency: str
    transaction_type: str | None = None
    original_transaction_id: str | None = None
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
    other: dict[str, Any] = Field(default_factory=dict)


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
    """Certain: nothing was done.

    ``code`` is the platform's, or ours: ``DNS``, ``CONNECT``, ``TLS``, ``POOL``, ``TOKEN``, ``CALL``.
    """

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


class Body(Model):
    """A request body. Fields are named as in ``docs/ppaas-contract.md``, in snake case.

    ``model_dump(mode="json")`` is for the journal: secrets are HMACs. ``wire`` is for the platform alone.
    """

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class PaymentAmount(Body):
    """An amount in minor units of ``currency`` (ISO 4217)."""

    amount: MinorUnits
    currency: str = Field(pattern="^[A-Z]{3}$")


class Order(Body):
    """What is paid for: ``order_id`` is a UUID (stated)."""

    order_id: str
    order_description: str = Field(min_length=1, max_length=100)


class CardCreate(Body):
    """Row ``create_card``; ``payment_amount`` includes tip and cashback (assumed)."""

    client_transaction_id: str
    transaction_type: Literal["SALE", "REFUND", "PREAUTH", "CASH_ADVANCE"] = "SALE"
    capture_mode: Literal["AUTOMATIC", "MANUAL"] = "AUTOMATIC"
    payment_amount: PaymentAmount
    tip_amount: MinorUnits | None = None
    cashback_amount: MinorUnits | None = None
    order: Order


class QrCreate(Body):
    """Row ``create_qr`` (stated); ``scanned_payment_id`` is what the cashier scanned from the customer."""

    payment_type: str = Field(min_length=1, max_length=32)
    payment_scenario: Literal["consumerscan", "merchantscan"]
    scanned_payment_id: Secret | None = None
    client_transaction_id: str
    payment_amount: PaymentAmount
    order: Order


class CancelBody(Body):
    """Rows ``cancel_card`` and ``cancel_qr``: a key of its own; ``payment_amount`` only for a part."""

    client_transaction_id: str
    payment_amount: PaymentAmount | None = None


class FenceBody(Body):
    """Rows ``fence_card`` and ``fence_qr``: a key of its own, and the key of the create it fences off."""

    client_transaction_id: str
    original_client_transaction_id: str


class AbortBody(Body):
    """Row ``terminal_abort``: the transaction that is to stop, never "whatever runs"."""

    transaction_id: str


class DisplayBody(Body):
    """Row ``terminal_display``: lines of text, or a QR code with a line under it."""

    format: Literal["TEXT", "QRCODE"]
    text: str | None = Field(default=None, min_length=1, max_length=500)
    qr_content: str | None = Field(default=None, min_length=1, max_length=2953)
    duration_seconds: int | None = Field(default=None, ge=1, le=600)


def wire(body: Model) -> Json:
    """``body`` as the JSON object that is sent: wire names, absent fields left out, secrets in clear.

    The result must not be kept or printed.

    Raises:
        LookupError: a secret was read from a journal, so its clear value is gone.
    """
    document: Json = {}
    for name, field in type(body).model_fields.items():
        value = getattr(body, name)
        if value is None:
            continue
        if isinstance(value, Secret):
            value = value.reveal()
        elif isinstance(value, Model):
            value = wire(value)
        document[field.alias or name] = value
    return document
