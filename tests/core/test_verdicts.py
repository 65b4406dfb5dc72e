"""Answers that begin nothing: what is written down of them, who gets them, what is acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from nexo_bridge.categories.conditions import FAILURES
from nexo_bridge.categories.plan import Facts
from nexo_bridge.core import decisions as did
from nexo_bridge.core.claims import received
from nexo_bridge.core.exchange import Exchange, advance
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.sameness import Claim, mismatch
from nexo_bridge.core.signals import Command, Delivery, Journal, Reply
from nexo_bridge.core.verdicts import Verdicts
from nexo_bridge.errors import NotLoggedIn, Refusal
from tests.core.playbook import told
from tests.core.words import POLICY, A, payment
from tests.nexo.corpus import schemas, seal

STAMP = Stamp(9, 1_700_000_000.0, 5.0)
FACTS = Facts(now=STAMP.wall, reference="ref", policy=POLICY, version="3.1")
BROUGHT = Delivery(A, 17, 9)
VERDICTS = Verdicts(POLICY, Replies(schemas(), seal))


def claim(**more: Any) -> Claim:
    event = payment(service="7")
    words: dict[str, Any] = {"sources": [A]} | more
    return Claim(
        id="X9",
        message=event.message,
        version="3.1",
        digest="body",
        received_at=STAMP.wall,
        key=did.key_of(event.message.header),
        **words,
    )


def said(commands: Iterator[Command]) -> list[str]:
    return [told(one, STAMP.wall) for one in commands]


def of(made: Claim, *, ended: bool) -> Exchange:
    """The exchange of an earlier request like ``made``, refused or still open."""
    exchange = advance(None, received(made, None, refused=ended), id="X4", wall=1.0)
    if not ended:
        return exchange
    answer = Replies(schemas(), seal).refuse(made.message, "3.1", FAILURES["JOURNAL"], FACTS)
    return advance(exchange, answer, id="X4", wall=2.0)


def test_a_repeat_gets_the_stored_answer_and_nothing_is_written() -> None:
    made = claim(deliveries=[BROUGHT])
    (reply,) = VERDICTS.repeat(STAMP, made, of(made, ended=True))
    assert isinstance(reply, Reply)
    assert (reply.exchange, reply.accepts) == ("X4", (BROUGHT,))


def test_a_repeat_that_nobody_waits_for_is_acknowledged_and_no_more() -> None:
    made = claim(sources=[], deliveries=[BROUGHT])
    assert said(VERDICTS.repeat(STAMP, made, of(made, ended=True))) == ["accept"]


def test_a_repeat_of_what_is_open_and_not_in_hand_is_told_to_come_again() -> None:
    made = claim()
    assert said(VERDICTS.repeat(STAMP, made, of(made, ended=False))) == ["reply Failure/Busy"]


def test_a_refusal_is_on_disk_before_it_is_said() -> None:
    assert said(VERDICTS.refuse(STAMP, claim(), NotLoggedIn("Please log in first."))) == [
        "journal Received",
        "journal Settled",
        "reply Failure/LoggedOut",
        "forget",
    ]


def test_a_refusal_that_nobody_waits_for_is_written_down_and_acknowledged() -> None:
    made = claim(sources=[], deliveries=[BROUGHT])
    told_so = said(VERDICTS.refuse(STAMP, made, NotLoggedIn("Please log in first.")))
    assert told_so == ["journal Received", "journal Settled", "accept", "forget"]


@pytest.mark.parametrize("another_body", [True, False])
def test_only_the_refusal_of_another_body_leaves_its_key_to_the_first(another_body: bool) -> None:
    made = claim()
    refusal: Refusal = mismatch(made) if another_body else NotLoggedIn("Please log in first.")
    first, *_ = VERDICTS.refuse(STAMP, made, refusal)
    assert isinstance(first, Journal)
    assert (("key", made.key) in first.entry.refs) is not another_body


def test_what_is_turned_away_is_said_and_not_written() -> None:
    assert said(VERDICTS.turn_away(STAMP, claim(), FAILURES["JOURNAL"])) == ["reply Failure/Busy"]
    assert said(VERDICTS.turn_away(STAMP, claim(sources=[]), FAILURES["JOURNAL"])) == []


def test_what_comes_again_by_itself_is_turned_away_without_a_word() -> None:
    made = claim(deliveries=[BROUGHT])
    assert said(VERDICTS.turn_away(STAMP, made, FAILURES["JOURNAL"])) == []
    once = VERDICTS.turn_away(STAMP, made, FAILURES["JOURNAL"], again=False)
    assert said(once) == ["reply Failure/Busy, then accept"]
