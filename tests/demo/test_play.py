"""What the demo checks at its end: the ledger against what the till was told."""

from __future__ import annotations

from typing import Any

from nexo_bridge.demo.play import faults
from nexo_bridge.pos.ending import Ending


def row(amount: int, charges: int, **changes: Any) -> dict[str, Any]:
    return {"amount": amount, "charges": charges, "creates": 1, "status": "APPROVED", "currency": "EUR"} | changes


PAID = Ending("1", "Success", authorized="12.50")
DECLINED = Ending("2", "Failure", "Refusal")


def test_a_ledger_that_says_what_the_till_was_told_is_right() -> None:
    rows = [row(1250, 1), row(1005, 0)]
    assert faults(rows, {"12.50": PAID, "10.05": DECLINED, "repeat12.50": PAID}) == []


def test_a_charge_twice_in_one_row_is_a_fault() -> None:
    assert "1250 was charged 2 times" in faults([row(1250, 2)], {"12.50": PAID})


def test_two_rows_for_one_sale_are_a_fault() -> None:
    assert "1250 stands more than once in the ledger" in faults([row(1250, 1), row(1250, 0)], {"12.50": PAID})


def test_a_charge_that_the_till_was_told_had_failed_is_a_fault() -> None:
    assert len(faults([row(1005, 1)], {"10.05": DECLINED})) == 1


def test_a_success_without_a_charge_is_a_fault() -> None:
    assert len(faults([row(1250, 0)], {"12.50": PAID})) == 1
    assert faults([], {"12.50": PAID}) == ["1250: the till was told Success and the ledger has no such payment"]


def test_a_charge_nobody_was_told_of_is_a_fault() -> None:
    assert len(faults([row(999, 1)], {})) == 1
