from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from nexo_bridge.money import Amount, exponent, from_minor, to_minor


@pytest.mark.parametrize(
    "text", ["10.0", "10", "0.50", ".5", "5.", "+5", "-1.25", " 12.50 ", "\t1\n", "007", "0"]
)
def test_an_amount_keeps_its_text(text: str) -> None:
    amount = Amount(text)

    assert str(amount) == amount.text == text
    assert amount == Decimal(text.strip())
    assert repr(amount) == f"Amount({text!r})"


def test_an_amount_is_compared_and_computed_by_value() -> None:
    assert Amount("10.0") == Amount("10.00") == Decimal(10)
    assert hash(Amount("10.0")) == hash(Decimal(10))
    assert Amount("10.50") + Amount("0.50") == 11
    assert max(Amount("9"), Amount("10.0")).text == "10.0"


@pytest.mark.parametrize(("value", "text"), [(5, "5"), (Decimal("1E+2"), "100"), (Amount("1.0"), "1.0")])
def test_an_amount_of_a_number(value: Any, text: str) -> None:
    assert Amount(value).text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1e3",
        "1,5",
        "NaN",
        "Infinity",
        "-",
        ".",
        "1 2",
        "0x10",
        "1_000",
        "--1",
        "\N{NO-BREAK SPACE}1",
        "١٢",
        "True",
    ],
)
def test_what_is_no_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a decimal number"):
        Amount(text)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("-Infinity")])
def test_what_is_no_number_is_refused(value: Decimal) -> None:
    with pytest.raises(ValueError, match="not a decimal number"):
        Amount(value)


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda amount: pickle.loads(pickle.dumps(amount))]
)
def test_a_copy_keeps_the_text(duplicate: Any) -> None:
    assert duplicate(Amount("10.0")).text == "10.0"


class Bill(BaseModel):
    total: Amount


@pytest.mark.parametrize("value", ["10.0", Amount("10.0"), Decimal("10.0")])
def test_a_model_writes_the_text_and_reads_it_back(value: Any) -> None:
    bill = Bill(total=value)

    assert bill.model_dump(mode="json") == {"total": "10.0"}
    assert Bill.model_validate_json(bill.model_dump_json()).total.text == "10.0"


def test_a_model_reads_whole_numbers() -> None:
    assert Bill.model_validate({"total": 5}).total.text == "5"


@pytest.mark.parametrize("value", [1.5, True, None, [], "1e3"])
def test_a_model_refuses_what_is_no_exact_number(value: Any) -> None:
    with pytest.raises(ValidationError):
        Bill.model_validate({"total": value})


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.50", "EUR", 1250),
        ("12.5", "EUR", 1250),
        ("12.500", "EUR", 1250),
        ("1250", "JPY", 1250),
        ("1.250", "KWD", 1250),
        ("0.0001", "CLF", 1),
        ("-0.01", "USD", -1),
        ("0", "EUR", 0),
    ],
)
def test_minor_units_follow_the_currency(amount: str, currency: str, minor: int) -> None:
    assert to_minor(Amount(amount), currency) == minor


@pytest.mark.parametrize(("amount", "currency"), [("1.001", "EUR"), ("0.5", "JPY"), ("1.0001", "KWD")])
def test_more_decimals_than_the_currency_has_are_refused_and_never_rounded(
    amount: str, currency: str
) -> None:
    with pytest.raises(ValueError, match=f"{currency} has "):
        to_minor(Amount(amount), currency)


@pytest.mark.parametrize("currency", ["XXZ", "eur", "", "DEM", "EURO"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    with pytest.raises(ValueError, match="not an active ISO 4217 currency"):
        exponent(currency)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1250, "EUR", "12.50"),
        (5, "EUR", "0.05"),
        (0, "EUR", "0.00"),
        (1250, "JPY", "1250"),
        (1, "KWD", "0.001"),
    ],
)
def test_major_units_show_all_decimals(minor: int, currency: str, text: str) -> None:
    assert from_minor(minor, currency).text == text


@given(st.integers(-(10**40), 10**40), st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_minor_to_major_and_back_loses_nothing(minor: int, currency: str) -> None:
    assert to_minor(from_minor(minor, currency), currency) == minor


@given(st.integers(0, 10**40))
def test_to_minor_is_exact_or_refuses(thousandths: int) -> None:
    amount = Amount(f"{thousandths // 1000}.{thousandths % 1000:03}")
    try:
        minor = to_minor(amount, "EUR")
    except ValueError:
        assert thousandths % 10
    else:
        assert minor * 10 == thousandths
