"""Decisions as journal entries, and the names under which exchanges are found again."""

from __future__ import annotations

import json

import pytest

from nexo_bridge.core import decisions as did
from nexo_bridge.core.journal import Stamp
from tests.core.playbook import paid
from tests.core.test_exchange import DECISIONS
from tests.core.words import payment

STAMP = Stamp(7, 1.0, 2.0)


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda one: one.name)
def test_every_decision_is_read_back_equal_from_json(decision: did.Decision) -> None:
    entry = did.entry(decision, STAMP, "X1", (("key", "k"),))
    json.dumps(entry.body)
    assert did.read(entry) == decision
    assert (entry.kind, entry.name, entry.exchange, entry.refs) == (
        "decision",
        decision.name,
        "X1",
        (("key", "k"),),
    )


def test_only_the_ends_settle() -> None:
    ends = {one.name for one in DECISIONS if did.entry(one, STAMP, "X1").settles}
    assert ends == {"Settled", "LoggedOut"}


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda one: one.name)
def test_people_see_no_request_no_body_and_no_answer(decision: did.Decision) -> None:
    assert not {"request", "body", "answer", "digest"} & decision.public().keys()


def test_what_is_not_a_decision_is_refused() -> None:
    entry = did.entry(did.Parked(), STAMP, "X1")
    entry.body["name"] = "Sleeping"
    with pytest.raises(ValueError, match="Sleeping"):
        did.read(entry)


def test_r3_names_never_run_into_each_other() -> None:
    assert did.pair_of('a"', "b") != did.pair_of("a", '"b')
    assert did.service_of("a", "b,c", "d") != did.service_of("a,b", "c", "d")
    assert did.sale_of("a", "b") != did.sale_of("a", "b", "")
    key = did.key_of(payment().message.header)
    assert did.request_of(key, "d") not in {key, did.request_of(key, "e")}


def test_r3_what_the_journal_holds_of_a_payment_can_be_found_by_its_names() -> None:
    play = paid()
    names = {name for entry in play.journal.decisions() for name, _ in entry.refs}
    assert names == {"key", "service", "pair", "sale", "asked", "transaction"}
