from __future__ import annotations

import pytest

from nexo_bridge.sandbox.endings import MAGIC, ending_of


@pytest.mark.parametrize(
    ("amount", "status", "code", "condition"),
    [
        (1205, "DECLINED", "DO_NOT_HONOUR", "Refusal"),
        (51, "DECLINED", "INSUFFICIENT_FUNDS", "Refusal"),
        (9954, "DECLINED", "INVALID_CARD", "InvalidCard"),
        (1055, "DECLINED", "WRONG_PIN", "WrongPIN"),
        (1061, "CANCELLED", "CUSTOMER_CANCELLED", "Cancel"),
        (1062, "APPROVED", "", ""),
        (1010, "PARTIALLY_APPROVED", "", ""),
        (1091, "DECLINED", "HOST_UNREACHABLE", "UnreachableHost"),
        (1250, "APPROVED", "", ""),
        (5, "DECLINED", "DO_NOT_HONOUR", "Refusal"),
    ],
)
def test_the_last_two_digits_decide(amount: int, status: str, code: str, condition: str) -> None:
    ending = ending_of(amount)
    assert (ending.status, ending.code, ending.condition) == (status, code, condition)


def test_what_is_charged() -> None:
    assert ending_of(1250).authorised(1250) == 1250
    assert ending_of(1210).authorised(1210) == 605
    assert ending_of(1205).authorised(1205) is None


def test_only_the_slow_customer_is_slower() -> None:
    assert {digits: ending.extra_seconds for digits, ending in MAGIC.items() if ending.extra_seconds} == {
        "62": 30
    }
