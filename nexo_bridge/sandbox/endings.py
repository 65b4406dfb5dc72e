"""How a sale ends, told by the last two digits of its minor amount. A closed list, for sales only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FinalStatus = Literal["APPROVED", "PARTIALLY_APPROVED", "DECLINED", "CANCELLED", "FAILED"]


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a sale.

    Attributes:
        status: the final status.
        code: decline code, where there is one.
        message: decline message, fit for a receipt.
        condition: the nexo ErrorCondition a bridge should make of it; documentation, empty for a yes.
        summary: one line for ``docs/sandbox.md``.
        extra_seconds: how much longer than usual the cardholder takes.
        share: which part of the amount is authorised, as numerator and denominator.
    """

    status: FinalStatus
    summary: str
    code: str = ""
    message: str = ""
    condition: str = ""
    extra_seconds: float = 0
    share: tuple[int, int] = (1, 1)

    def authorised(self, amount: int) -> int:
        """What of ``amount`` is authorised, in minor units, rounded down."""
        approved = self.status in {"APPROVED", "PARTIALLY_APPROVED"}
        return amount * self.share[0] // self.share[1] if approved else 0
