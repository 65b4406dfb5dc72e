"""What the demo checks at its end: the ledger against what the till was told."""

from __future__ import annotations

import io
from typing import Any

import pytest

from nexo_bridge.demo.audit import Told, faults, money, report, totals
from nexo_bridge.demo.screen import Screen
from nexo_bridge.pos.ending import Ending

CARD = Told("card", 1250, "EUR", Ending("1", "Success", authorized="12.50"), "txn_1")
DECLINE = Told("decline", 2005, "EUR", Ending("2", "Failure", "Refusal"))


def row(name: str, amount: int, charges: int, **changes: Any) -> dict[str, Any]:
    status = "APPROVED" if charges else "DECLINED"
    whole = {"transactionId": name, "amount": amount, "currency": "EUR", "status": status, "creates": 1}
    return whole | {"charges": charges} | changes


PAID, REFUSED = row("txn_1", 1250, 1), row("txn_2", 2005, 0)


def test_every_charge_has_its_answer_and_every_answer_its_charge() -> None:
    assert faults([CARD, DECLINE], [PAID, REFUSED]) == []
    assert totals([CARD, DECLINE], [PAID, REFUSED]) == (1250, 1250)
    assert money(1250, "EUR") == "12.50 EUR"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([PAID, row("txn_3", 1250, 1), REFUSED], "card: charged 2 times"),
        ([row("txn_1", 1250, 2), REFUSED], "card: charged 2 times"),
        ([PAID, row("txn_3", 1250, 0), REFUSED], "card: created more than once"),
        ([row("txn_1", 1250, 1, creates=2), REFUSED], "card: created more than once"),
        ([row("txn_1", 1250, 0), REFUSED], "card: the till was told Success, and there is no such charge"),
        ([row("txn_9", 1250, 1), REFUSED], "card: the till was told Success, and there is no such charge"),
        ([REFUSED], "card: the till was told Success, and there is no such charge"),
        ([PAID, row("txn_2", 2005, 1)], "decline: the till was told Failure, and the customer was charged"),
        ([PAID, REFUSED, row("txn_4", 99, 0)], "txn_4: 0.99 EUR that nobody asked for"),
    ],
)
def test_a_ledger_that_contradicts_is_told_by_name(rows: list[dict[str, Any]], says: str) -> None:
    assert says in faults([CARD, DECLINE], rows)


def test_sums_that_differ_are_a_fault_too() -> None:
    less = Told("card", 1250, "EUR", Ending("1", "Partial", "Refusal", authorized="6.25"), "txn_1")
    assert faults([less], [PAID]) == ["the till books 625 minor units, the platform charged 1250"]


def test_the_report_shows_the_ledger_and_what_was_checked() -> None:
    stream = io.StringIO()
    assert report(Screen(stream), [CARD, DECLINE], [PAID, REFUSED])
    text = stream.getvalue()
    assert "card     12.50 EUR  APPROVED  1        1        Success 12.50\n" in text
    assert "decline  20.05 EUR  DECLINED  1        0        Failure Refusal\n" in text
    assert "ok     nothing charged twice: 2 sales, 2 creates, 1 charges" in text
    assert "both sums are 12.50 EUR" in text


def test_the_report_of_a_wrong_ledger_says_so_and_nothing_good() -> None:
    stream = io.StringIO()
    assert not report(Screen(stream), [CARD], [PAID, row("txn_4", 99, 1)])
    text = stream.getvalue()
    assert "  ?     0.99 EUR" in text
    assert "FAILED txn_4: 0.99 EUR that nobody asked for" in text
    assert "ok " not in text
