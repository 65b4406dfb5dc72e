"""How a sale ends, told by the last two digits of its minor amount. A closed list, for sales only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FinalStatus = Literal["APPROVED", "PARTIALLY_APPROVED", "DECLINED", "CANCELLED", "EXPIRED", "FAILED"]


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of a sale.

    Attributes:
        summary: what happens, in the words of ``docs/sandbox.md``.
        status: the final status.
        code: ``decline.code``; empty for a yes.
        message: ``decline.message``.
        condition: the nexo ErrorCondition the code suggests; for people, empty for a yes.
        extra_seconds: how much longer than usual the cardholder takes.
    """

    summary: str
    status: FinalStatus
    code: str = ""
    message: str = ""
    condition: str = ""
    extra_seconds: float = 0

    def authorised(self, amount: int) -> int | None:
        """What of ``amount`` is charged, in minor units; None without an approval."""
        if self.status == "APPROVED":
            return amount
        return amount // 2 if self.status == "PARTIALLY_APPROVED" else None


APPROVED = Ending("approved", "APPROVED")
REFUSED = Ending("the issuer refuses", "DECLINED", "DO_NOT_HONOUR", "Do not honour", "Refusal")
CUSTOMER_CANCELLED = Ending(
    "the cardholder cancels at the terminal",
    "CANCELLED",
    "CUSTOMER_CANCELLED",
    "Cancelled by customer",
    "Cancel",
)
EXPIRED = Ending("nobody pays in time", "EXPIRED", "TIMEOUT", "Nobody paid in time", "Cancel")

MAGIC: dict[str, Ending] = {
    "05": REFUSED,
    "10": Ending("half of the amount is approved", "PARTIALLY_APPROVED"),
    "51": Ending("no money", "DECLINED", "INSUFFICIENT_FUNDS", "Insufficient funds", "Refusal"),
    "54": Ending("the card is not valid", "DECLINED", "INVALID_CARD", "Invalid card", "InvalidCard"),
    "55": Ending("the PIN is wrong", "DECLINED", "WRONG_PIN", "Wrong PIN", "WrongPIN"),
    "61": CUSTOMER_CANCELLED,
    "62": Ending("approved, but the customer takes 30 s longer", "APPROVED", extra_seconds=30),
    "91": Ending(
        "the acquirer cannot be reached",
        "DECLINED",
        "HOST_UNREACHABLE",
        "Host unreachable",
        "UnreachableHost",
    ),
}
"""Last two digits → ending; every other amount approves."""

CHOICES: dict[str, Ending] = {"approve": APPROVED, "decline": REFUSED, "cancel": CUSTOMER_CANCELLED}
"""What a test may make a waiting cardholder do."""


def ending_of(amount: int) -> Ending:
    """How a sale of ``amount`` minor units ends when nobody interferes."""
    return MAGIC.get(f"{amount % 100:02d}", APPROVED)
