"""Request bodies of the platform's operations, as ``docs/ppaas-contract.md`` has them.

Strict: a wrong type, a missing field, a ``null`` or a field the contract does not name is 400, so that a slip
in the bridge shows here and not at a real platform.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from nexo_bridge.sandbox.wire import PlatformError, Request

MOST = 999_999_999_999
Key = Annotated[
    str, Field(pattern=r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$")
]
MinorAmount = Annotated[int, Field(ge=0, le=MOST)]


class Body(BaseModel):
    """What every body has in common."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True
    )


class PaymentAmount(Body):
    """An amount in minor units of its currency."""

    amount: MinorAmount
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class Order(Body):
    """What is paid, for people."""

    order_id: Key
    order_description: Annotated[str, Field(min_length=1, max_length=100)]


class CreateCard(Body):
    """``create_card``; ``paymentAmount`` is the whole sum, tip and cashback included."""

    client_transaction_id: Key
    transaction_type: Literal["SALE", "REFUND", "PREAUTH", "CASH_ADVANCE"]
    capture_mode: Literal["AUTOMATIC", "MANUAL"]
    payment_amount: PaymentAmount
    tip_amount: MinorAmount = 0
    cashback_amount: MinorAmount = 0
    order: Order

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.tip_amount + self.cashback_amount > self.payment_amount.amount:
            raise ValueError("tip and cashback are parts of paymentAmount")
        return self


class CreateQr(Body):
    """``create_qr``; a ``scannedPaymentId`` means that the code was scanned, whatever the scenario says."""

    payment_type: Annotated[str, Field(min_length=1, max_length=32)]
    payment_scenario: Literal["consumerscan", "merchantscan"]
    scanned_payment_id: Annotated[str, Field(min_length=1, max_length=512, repr=False)] = ""
    client_transaction_id: Key
    payment_amount: PaymentAmount
    order: Order


class Cancel(Body):
    """``cancel_card`` and ``cancel_qr``; ``paymentAmount`` for a part of an approved payment only."""

    client_transaction_id: Key
    payment_amount: PaymentAmount = Field(default=PaymentAmount.model_construct(amount=0, currency=""))

    @property
    def part(self) -> PaymentAmount | None:
        """The part to cancel; None for all of it."""
        return self.payment_amount if "payment_amount" in self.model_fields_set else None


class Fence(Body):
    """``fence_card`` and ``fence_qr``."""

    client_transaction_id: Key
    original_client_transaction_id: Key


class Abort(Body):
    """``terminal_abort``."""

    transaction_id: Annotated[str, Field(min_length=1, max_length=64)]


class Display(Body):
    """``terminal_display``."""

    format: Literal["TEXT", "QRCODE"]
    text: Annotated[str, Field(min_length=1, max_length=500)] = ""
    qr_content: Annotated[str, Field(min_length=1, max_length=2953)] = ""
    duration_seconds: Annotated[int, Field(ge=1, le=600)] = 0


_B = TypeVar("_B", bound="Body")


def read_body(request: Request, model: type[_B]) -> _B:
    """The body of ``request`` as ``model``.

    Raises:
        PlatformError: 415 for another media type, 400 for what the contract does not allow.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise PlatformError(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be application/json")
    try:
        return model.model_validate_json(request.body)
    except ValidationError as errors:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in error['loc']) or 'body'}: {error['msg']}"
            for error in errors.errors(include_input=False, include_url=False)
        )
        raise PlatformError(400, "BAD_REQUEST", f"The body breaks the contract: {faults}") from None
