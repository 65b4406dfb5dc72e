"""Each invariant is broken once, and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nexo_bridge.conversation import invariants
from nexo_bridge.conversation.hearing import Heard
from nexo_bridge.conversation.invariants import _Exchange

ANSWER = (
    '<SaleToPOIResponse><MessageHeader MessageCategory="Payment" ServiceID="7"/><PaymentResponse><Response '
    'Result="{0}" ErrorCondition="{1}"/></PaymentResponse></SaleToPOIResponse>'
)


def exchange(
    result: str = "", *, key: str = "k1", sale: str = "A1", split: bool = False, authorised: int | None = None
) -> _Exchange:
    body = {
        "SaleData": {"SaleTransactionID": {"TransactionID": sale}},
        "PaymentData": {"SplitPaymentFlag": split},
    }
    return _Exchange(
        received={"sale_id": "S1", "request": {"body": {"PaymentRequest": body}}},
        asking={"key": key, "amount": 1000, "currency": "EUR"},
        settled={"result": result, "authorised": authorised, "answer": ANSWER.format(result, "")}
        if result
        else {},
    )


def row(key: str = "k1", *, charges: int = 1, creates: int = 1, amount: int = 1000) -> dict[str, Any]:
    return {
        "clientTransactionId": key,
        "charges": charges,
        "creates": creates,
        "amount": amount,
        "currency": "EUR",
    }


@pytest.mark.parametrize(
    ("exchanges", "rows"),
    [
        ([exchange("Success")], [row()]),
        ([exchange("Success", authorised=1000)], [row()]),
        ([exchange("Partial", authorised=500)], [row()]),
        ([exchange("Failure")], [row(charges=0)]),
        ([exchange("Failure")], []),
        ([exchange()], [row()]),
        ([exchange("Success"), exchange("Failure", key="k2")], [row(), row("k2", charges=0)]),
        ([exchange("Success", split=True), exchange("Success", key="k2", split=True)], [row(), row("k2")]),
    ],
)
def test_what_may_be(exchanges: list[_Exchange], rows: list[dict[str, Any]]) -> None:
    named = {f"X{n}": one for n, one in enumerate(exchanges)}
    assert list(invariants._money(named, rows, set())) == []


@pytest.mark.parametrize(
    ("exchanges", "rows", "why"),
    [
        ([exchange("Success")], [row(), row(charges=0)], "I1: X0 was created 2 times"),
        ([exchange("Success")], [row(creates=2)], "I1: X0 was created 2 times"),
        ([exchange("Success"), exchange("Success", key="k2")], [row(), row("k2")], "I1: the sale"),
        ([exchange("Success")], [], "I2: X0 is Success and nothing is charged"),
        ([exchange("Success", authorised=1000)], [row(amount=900)], "I2: X0 has another amount"),
        ([exchange("Failure")], [row()], "I3, I5: X0 is Failure and charged"),
        ([], [row()], "I5: the journal knows nothing of k1"),
        ([_Exchange(received={}, settled={"result": "Success"})], [], "I2: X0 was approved and never asked"),
    ],
)
def test_what_may_never_be(exchanges: list[_Exchange], rows: list[dict[str, Any]], why: str) -> None:
    named = {f"X{n}": one for n, one in enumerate(exchanges)}
    assert why in " ".join(invariants._money(named, rows, set()))


def test_a_sale_may_repeat_where_it_is_allowed() -> None:
    named = {"X1": exchange("Success"), "X2": exchange("Success", key="k2")}
    assert list(invariants._money(named, [row(), row("k2")], {"S1"})) == []


def test_a_discrepancy_that_is_written_down_is_known() -> None:
    one = exchange("Failure")
    one.disagreed = True
    assert list(invariants._money({"X1": one}, [row()], set())) == []


def test_an_answer_is_the_stored_one() -> None:
    stored = {"X1": exchange("Success")}
    good = Heard(ANSWER.format("Success", "").encode())
    waiting = Heard(ANSWER.format("Failure", "InProgress").encode())
    assert list(invariants._answers(stored, [good, waiting])) == []
    other = Heard(ANSWER.format("Failure", "Refusal").encode())
    assert "I6: an answer is not the stored one" in " ".join(invariants._answers(stored, [other]))
    assert "I4: X2 has decisions and no request" in " ".join(invariants._answers({"X2": _Exchange()}, []))


def test_a_secret_in_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "bridge.log"
    path.write_text("code 2876310093447710 scanned", encoding="utf-8")
    assert list(invariants._secrets(["2876310093447710"], [path])) == [
        "I7: bridge.log holds a secret in clear"
    ]
    assert list(invariants._secrets(["2876310093447711"], [path])) == []
