"""R8: a settled outcome is frozen; what contradicts it is written down and told to people, never acted on."""

from __future__ import annotations

import pytest

from nexo_bridge.core import discrepancy
from nexo_bridge.core.exchange import Exchange, fold
from tests.core.playbook import Play, answered, asked, found, named, paid, rang, written
from tests.core.words import LOST, approved, declined, event, payment, pending, status


def declined_while_a_read_runs() -> Play:
    """Settled as declined by the authenticated stream, while a read is under way."""
    play = (named() >> rang("look")).skip()
    return (play >> event(declined(play.key()), settles=True)).skip()


def test_r8_a_late_approval_is_a_discrepancy_and_the_answer_stays() -> None:
    play = declined_while_a_read_runs()
    answer = play.replies[-1].data
    play >> answered("read_card", approved) << "journal Disagreed" << "raise DISCREPANCY"
    play >> written << "journal Delivered" << "forget"
    play >> payment() << "look up"
    play >> found << "reply Failure/Refusal"
    assert play.replies[-1].data == answer
    play >> status(of="1") << "look up"
    play >> found << "reply Success"


@pytest.mark.parametrize("outcome", [pending, declined, LOST], ids=["pending", "declined", "lost"])
def test_r8_a_late_fact_that_does_not_contradict_is_no_discrepancy(outcome: object) -> None:
    play = declined_while_a_read_runs() >> answered("read_card", outcome)  # type: ignore[arg-type]  # makers too
    assert play.silent
    play >> written << "journal Delivered" << "forget"


def exchange(play: Play) -> Exchange:
    return fold(play.journal.histories()[-1])


def test_r8_more_charged_than_answered_is_a_discrepancy() -> None:
    play = paid()
    found_more = discrepancy.against(exchange(play), approved(play.key(), authorised=1500))
    assert found_more is not None
    assert found_more[1] == "the platform charged more than was answered"


@pytest.mark.parametrize(
    "facts",
    [{"client_transaction_id": "k"}, {"device_id": "SER2"}, {"currency": "CHF"}],
    ids=lambda facts: next(iter(facts)),
)
def test_r8_only_what_is_ours_contradicts(facts: dict[str, str]) -> None:
    play = (asked() >> answered("create_card", declined)).skip()
    assert discrepancy.against(exchange(play), approved(play.key(), **facts)) is None


def test_r8_a_void_of_what_was_approved_is_a_later_fact() -> None:
    play = paid()
    voided = declined(play.key(), "CANCELLED", decline_code=discrepancy.VOIDED)
    assert discrepancy.against(exchange(play), voided) is None


def test_r8_nothing_contradicts_what_is_open_or_was_never_asked() -> None:
    play = named()
    assert discrepancy.against(exchange(play), approved(play.key())) is None
    refused = asked()
    (refused >> payment(service="2")).skip()
    (refused >> found).skip()
    assert exchange(refused).settled is not None
    assert discrepancy.against(exchange(refused), approved(refused.key())) is None
