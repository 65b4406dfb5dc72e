"""What the till was told against what the platform charged: the one comparison that matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nexo_bridge.demo.screen import Screen
from nexo_bridge.money import Amount, from_minor, to_minor
from nexo_bridge.pos.ending import Ending

Row = dict[str, Any]
"""A row of the sandbox's ``GET /ledger``; see docs/sandbox.md."""


@dataclass(frozen=True, slots=True)
class Told:
    """One sale of the till and the last word on it. Each sale of the demo has an amount of its own.

    Attributes:
        amount: asked for, in minor units.
        transaction_id: the platform's, as the approved answer names it.
    """

    sale: str
    amount: int
    currency: str
    ending: Ending
    transaction_id: str | None = None

    @property
    def approved(self) -> bool:
        """The shop hands out the goods."""
        return self.ending.result in {"Success", "Partial"}

    @property
    def authorized(self) -> int:
        """What the shop books, in minor units."""
        return to_minor(Amount(self.ending.authorized or "0"), self.currency) if self.approved else 0

    def fits(self, row: Row) -> bool:
        """Whether the row is of this sale."""
        return (row["amount"], row["currency"]) == (self.amount, self.currency)


def faults(told: Sequence[Told], rows: Sequence[Row]) -> list[str]:
    """What is wrong, one sentence each; empty when every charge has its answer and every answer its charge."""
    wrong = []
    for one in told:
        own = [row for row in rows if one.fits(row)]
        charges = sum(row["charges"] for row in own)
        if charges > 1:
            wrong.append(f"{one.sale}: charged {charges} times")
        elif len(own) > 1 or any(row["creates"] != 1 for row in own):
            wrong.append(f"{one.sale}: created more than once")
        if one.approved and one.transaction_id not in {row["transactionId"] for row in own if row["charges"]}:
            wrong.append(f"{one.sale}: the till was told {one.ending.result}, and there is no such charge")
        if charges and not one.approved:
            wrong.append(f"{one.sale}: the till was told {one.ending.result}, and the customer was charged")
    wrong += [
        f"{row['transactionId']}: {money(row['amount'], row['currency'])} that nobody asked for"
        for row in rows
        if not any(one.fits(row) for one in told)
    ]
    booked, taken = totals(told, rows)
    if booked != taken:
        wrong.append(f"the till books {booked} minor units, the platform charged {taken}")
    return wrong


def totals(told: Iterable[Told], rows: Iterable[Row]) -> tuple[int, int]:
    """What the till books and what the platform charged, in minor units."""
    return sum(one.authorized for one in told), sum(row["amount"] * row["charges"] for row in rows)


def money(minor: int, currency: str) -> str:
    """As people write it."""
    return f"{from_minor(minor, currency)} {currency}"


def report(screen: Screen, told: Sequence[Told], rows: Sequence[Row]) -> bool:
    """Show the ledger beside what the till was told, and what was checked; whether all of it is right."""
    screen.line("The platform's ledger, beside what the till was told:", "bold")
    heading = ("sale", "asked", "status", "creates", "charges", "the till was told")
    screen.table([heading, *(_shown(row, told) for row in rows)])
    wrong = faults(told, rows)
    for fault in wrong:
        screen.verdict(False, fault)
    if wrong:
        return False
    charges = sum(row["charges"] for row in rows)
    booked = money(totals(told, rows)[0], told[0].currency)
    screen.verdict(True, f"nothing charged twice: {len(told)} sales, {len(rows)} creates, {charges} charges")
    screen.verdict(
        True, f"every approved answer has its charge, every charge its answer; both sums are {booked}"
    )
    return True


def _shown(row: Row, told: Sequence[Told]) -> tuple[str, ...]:
    one = next((one for one in told if one.fits(row)), None)
    heard = "nothing"
    if one is not None:
        heard = f"{one.ending.result} {one.ending.condition or one.ending.authorized or ''}".strip()
    return (
        one.sale if one is not None else "?",
        money(row["amount"], row["currency"]),
        row["status"],
        str(row["creates"]),
        str(row["charges"]),
        heard,
    )
