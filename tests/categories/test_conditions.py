"""R15: the table of conditions is whole, its codes are unique, its words are fit for a cashier."""

from __future__ import annotations

from collections import Counter

import pytest

from nexo_bridge.categories.conditions import (
    DECLINES,
    FAILURES,
    NOT_DONE,
    Failure,
    additional_response,
    of_decline,
    of_refusal,
)
from nexo_bridge.errors import NotLoggedIn, UnknownTerminal
from tests.nexo.generator import code_values


@pytest.mark.parametrize("name", FAILURES)
def test_every_condition_is_one_of_nexos(name: str) -> None:
    failure = FAILURES[name]
    assert failure.condition in code_values("error-condition", "3.1")
    assert failure.condition in code_values("error-condition", "3.0")


def test_every_code_is_used_once() -> None:
    assert max(Counter(failure.code for failure in FAILURES.values()).values()) == 1


@pytest.mark.parametrize("name", FAILURES)
def test_every_text_is_a_short_sentence_without_technical_words(name: str) -> None:
    text = FAILURES[name].text
    assert text.endswith(".")
    assert len(text) < 120
    assert not {"http", "xml", "json", "exception", "null", "timeout"} & set(text.lower().split())


def test_tables_name_rows_that_exist() -> None:
    assert {*DECLINES.values(), *NOT_DONE.values()} <= FAILURES.keys()


@pytest.mark.parametrize(
    ("status", "code", "wished", "name"),
    [
        ("CANCELLED", None, True, "ABORTED"),
        ("CANCELLED", None, False, "CANCELLED"),
        ("CANCELLED", "CUSTOMER_CANCELLED", True, "CANCELLED"),
        ("EXPIRED", None, True, "EXPIRED"),
        ("FAILED", None, False, "FAILED"),
        ("DECLINED", None, False, "DECLINED"),
        ("A_STATUS_OF_TOMORROW", None, False, "DECLINED"),
    ],
)
def test_final_noes(status: str, code: str | None, wished: bool, name: str) -> None:
    assert of_decline(status, code, wished=wished) is FAILURES[name]


def test_a_refusal_carries_its_failure() -> None:
    assert of_refusal(NotLoggedIn("Log in.")) == Failure("LoggedOut", "NB-203", "yes", "Log in.")
    assert of_refusal(UnknownTerminal("x")).condition == "UnavailableDevice"


def test_additional_response_has_one_format() -> None:
    failure = Failure("Busy", "NB-1", "yes", "One; two.")
    assert additional_response(failure) == "code=NB-1; retry=yes; text=One, two."
    assert additional_response(failure, at="/a;b") == "code=NB-1; retry=yes; at=/a,b; text=One, two."
