"""The tree of errors: its shape, and that nothing in it can be said twice."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from nexo_bridge import errors
from nexo_bridge.errors import (
    BridgeError,
    ConfigurationError,
    JournalFailure,
    NotXml,
    Refusal,
    Retry,
    SchemaViolations,
    Violation,
)


def below(cls: type[BridgeError]) -> list[type[BridgeError]]:
    ours = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return ours + [deeper for child in ours for deeper in below(child)]


REFUSALS = [cls for cls in below(BridgeError) if issubclass(cls, Refusal)]


def test_the_tree_is_the_one_that_the_module_draws() -> None:
    drawn = re.findall(r"\b[A-Z][A-Za-z]+\b", str(errors.__doc__).partition("BridgeError")[2])

    assert {cls.__name__ for cls in below(BridgeError)} <= set(drawn)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_carries_what_its_answer_needs(refusal: type[Refusal]) -> None:
    assert re.fullmatch(r"NB-\d{3}", refusal.code)
    assert re.fullmatch(r"[A-Z][A-Za-z]+", refusal.condition)
    assert refusal.retry in get_args(Retry)


def test_a_code_means_one_thing() -> None:
    codes = [refusal.code for refusal in REFUSALS]

    assert len(codes) == len(set(codes))


def test_a_refusal_says_a_sentence_and_where() -> None:
    refusal = NotXml("this is not XML", at="/SaleToPOIRequest")

    assert (refusal.text, refusal.at, str(refusal)) == (
        "this is not XML",
        "/SaleToPOIRequest",
        "this is not XML",
    )
    assert NotXml("this is not XML").at == ""


def violation(path: str, line: int = 3) -> Violation:
    return Violation("XSD-ATTRIBUTE-MISSING", line, path, "an attribute SaleID", "none", 'write SaleID="…"')


def test_one_violation_is_said_whole() -> None:
    refusal = SchemaViolations((violation("/a"),))

    assert refusal.text == "The message is wrong in line 3: found none, expected an attribute SaleID"
    assert refusal.at == "/a"


def test_of_many_violations_the_first_is_said_and_all_are_kept() -> None:
    refusal = SchemaViolations((violation("/a", line=0), violation("/b"), violation("/c")))

    assert refusal.text == "The message is wrong: found none, expected an attribute SaleID (and 2 more)"
    assert [each.path for each in refusal.violations] == ["/a", "/b", "/c"]


def test_failures_of_our_own_are_no_answers() -> None:
    assert not issubclass(JournalFailure, Refusal)
    assert not issubclass(ConfigurationError, Refusal)
