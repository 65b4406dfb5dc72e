"""What is written down of a money request, and under which names it is found again."""

from __future__ import annotations

from typing import Any

import pytest

from nexo_bridge.categories.plan import Session
from nexo_bridge.core import decisions as did
from nexo_bridge.core.claims import accepted, received, refs
from nexo_bridge.core.sameness import Claim
from nexo_bridge.core.signals import Accept, Delivery
from nexo_bridge.core.source import Source
from tests.core.words import A, payment

PLACE = Source("mqtt", "nexo/TILL/POI1", address="nexo/TILL/POI1/to-sale")


def claim(amount: str | None = "10.00", **more: Any) -> Claim:
    event = payment(amount, service="7")
    return Claim(
        id="X5",
        message=event.message,
        version="3.1",
        digest="body",
        received_at=1.0,
        key=did.key_of(event.message.header),
        **more,
    )


def test_what_it_pays_and_whose_session_it_is_are_written_down() -> None:
    session = Session("S2", "TILL", "POI1", "3.1", ())
    made = received(claim(), session)
    assert (made.amount, made.currency, made.session, made.service_id) == ("10.00", "EUR", "S2", "7")
    assert (made.refused, made.mismatch) == (False, False)


def test_what_names_no_amount_and_has_no_session_is_written_down_all_the_same() -> None:
    made = received(claim(None), None)
    assert (made.amount, made.currency, made.session) == (None, "EUR", "")


@pytest.mark.parametrize(
    ("sources", "refused", "kept"),
    [([PLACE, A], False, PLACE), ([A], False, None), ([PLACE], True, None)],
    ids=["one that lasts", "connections end with their process", "a refusal is not owed"],
)
def test_where_its_answer_is_owed(sources: list[Source], refused: bool, kept: Source | None) -> None:
    assert received(claim(sources=sources), None, refused=refused).source == kept


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ({}, ["key", "key", "service", "pair", "sale"]),
        ({"refused": True}, ["key", "key", "service"]),
        ({"refused": True, "mismatch": True}, ["key"]),
    ],
    ids=["taken", "refused: the sale may be tried again", "another body of a key: found by that body alone"],
)
def test_under_which_names_it_is_found_again(words: dict[str, bool], names: list[str]) -> None:
    made = claim()
    assert [name for name, _ in refs(made, received(made, None, **words))] == names


def test_each_of_its_deliveries_is_acknowledged_behind_what_was_written() -> None:
    deliveries = [Delivery(PLACE, 17, 3), Delivery(PLACE, 18, 4)]
    assert list(accepted(claim(deliveries=deliveries), "X5")) == [
        Accept(PLACE, 17, "X5"),
        Accept(PLACE, 18, "X5"),
    ]
