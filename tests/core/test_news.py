"""R7: what the platform tells unasked is acknowledged once on disk, and never weakens what a read proves."""

from __future__ import annotations

import pytest

from nexo_bridge.core import news
from nexo_bridge.core.signals import PlatformEvent
from tests.core.playbook import (
    BROKE,
    Play,
    answered,
    asked,
    found,
    named,
    not_readable,
    paid,
    rang,
    reread,
    written,
)
from tests.core.words import LOST, abort, approved, declined, event, pending


def ended(play: Play | None = None) -> Play:
    """A declined payment, its answer written long ago."""
    play = (asked(play=play) >> answered("create_card", declined)).skip()
    return (play >> written).skip()


def test_r7_every_event_is_acknowledged_also_what_says_nothing() -> None:
    play = asked() >> event(None)
    play << "accept"


def test_r7_a_pending_event_names_the_transaction() -> None:
    play = asked()
    play >> event(pending(play.key())) << "accept" << "journal Acknowledged" << "wake look +0.5"


def test_r7_a_final_event_of_the_authenticated_stream_settles() -> None:
    play = named()
    play >> event(declined(play.key()), settles=True)
    play << "accept" << "journal Settled" << "reply Failure/Refusal"


def test_r7_a_final_event_of_a_webhook_only_triggers_a_read() -> None:
    play = named()
    play >> event(declined(play.key())) << "accept" << "call read_card"
    play >> answered("read_card", approved) << "journal Settled" << "reply Success"


def test_r6_once_a_wish_was_decided_no_event_settles() -> None:
    play = (named() >> abort()).skip()
    play >> event(approved(play.key()), settles=True) << "accept" << "call read_card"
    play >> event(declined(play.key()), settles=True, event_id="E2") << "accept"


def test_r7_an_event_that_comes_before_the_create_answers_is_read_about_when_it_has() -> None:
    play = asked()
    play >> event(approved(play.key()), settles=True)
    play << "accept" << "journal Acknowledged" << "journal Settled" << "reply Success"
    play >> answered("create_card", approved)
    play.skip()
    assert play.events.count("Settled") == 1


def test_f48_a_doubled_event_is_handled_once() -> None:
    play = named()
    play >> event(pending(play.key(), status="IN_PROGRESS")) << "accept" << "wake look +0.8"
    for _ in range(3):
        play >> event(pending(play.key(), status="IN_PROGRESS")) << "accept"


def test_f48_an_event_without_an_id_is_never_a_double() -> None:
    play = named()
    for pause in ("0.8", "1.28"):
        play >> event(pending(play.key()), event_id="") << "accept" << f"wake look +{pause}"


def test_f48_only_so_many_ids_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news, "MOST_REMEMBERED", 1)
    play = named()
    play >> event(pending(play.key())) << "accept" << "wake look +0.8"
    play >> event(None, event_id="E2") << "accept"
    play >> event(pending(play.key())) << "accept" << "wake look +1.28"


def test_f49_a_pending_event_older_than_one_heard_is_passed_over_but_never_a_final_one() -> None:
    play = named()
    play >> event(pending(play.key()), sequence=5) << "accept" << "wake look +0.8"
    play >> event(pending(play.key()), sequence=4, event_id="E2") << "accept"
    play >> event(declined(play.key()), sequence=3, event_id="E3", settles=True)
    play << "accept" << "journal Settled" << "reply Failure/Refusal"


@pytest.mark.parametrize(
    "foreign",
    [
        event(pending("of somebody else", transaction_id="pp-9")),
        event(approved("of somebody else", transaction_id="pp-9")),
        event(None, poiid="POI2"),
    ],
    ids=["another, pending", "another, final", "nothing in it"],
)
def test_f50_unknown_ones_are_acknowledged_and_ignored(foreign: PlatformEvent) -> None:
    play = named() >> foreign
    play << "accept"
    if play.pending:
        play << "look up"
        play >> found
    assert play.silent


def test_f51_an_event_by_another_terminals_channel_is_ignored() -> None:
    play = named()
    play >> event(approved(play.key()), poiid="POI2", settles=True) << "accept"


def test_f51_an_event_that_does_not_fit_is_a_reads_to_sort_out() -> None:
    play = named()
    play >> event(approved(play.key(), currency="CHF"), settles=True) << "accept"


def test_f56_where_events_may_be_lost_what_is_open_at_that_terminal_is_read() -> None:
    play = named()
    play >> event(None, missed=True, poiid="POI2") << "accept"
    play >> event(None, missed=True, event_id="") << "accept" << "call read_card"


def test_r7_a_broken_journal_hears_nothing_and_the_event_comes_again() -> None:
    play = (named() >> BROKE).skip()
    play >> event(declined(play.key()), settles=True) << "accept"
    (play >> reread).skip()
    (
        play
        >> event(declined(play.key()), settles=True)
        << "accept"
        << "journal Settled"
        << "reply Failure/Refusal"
    )


# -- R8 by event ----------------------------------------------------------------------------------------------------


def test_r8_an_approval_out_of_the_blue_against_a_frozen_no_is_a_discrepancy_once() -> None:
    play = ended()
    play >> event(approved(play.key())) << "accept" << "look up"
    play >> found << "journal Disagreed" << "raise DISCREPANCY" << "forget"
    play >> event(approved(play.key()), event_id="E2") << "accept" << "look up"
    play >> found
    assert play.silent


def test_r8_a_no_out_of_the_blue_against_a_frozen_yes_is_a_discrepancy_too() -> None:
    play = paid()
    play >> event(declined(play.key())) << "accept" << "look up"
    play >> found << "journal Disagreed" << "raise DISCREPANCY" << "forget"


def test_r8_what_agrees_with_the_frozen_outcome_is_no_news() -> None:
    play = ended()
    play >> event(declined(play.key())) << "accept" << "look up"
    play >> found
    assert play.silent


def test_r8_by_another_terminals_channel_nothing_is_proved() -> None:
    play = ended()
    play >> event(approved(play.key()), poiid="POI2") << "accept" << "look up"
    play >> found
    assert play.silent


def test_r8_an_unreadable_journal_says_nothing_of_old_exchanges() -> None:
    play = ended()
    play >> event(approved(play.key())) << "accept" << "look up"
    play >> not_readable
    assert play.silent


def test_r8_a_late_event_finds_the_exchange_by_its_transaction_id_too() -> None:
    play = ended()
    other = approved("another key", transaction_id="pp-1")
    play >> event(other) << "accept" << "look up"
    play >> found
    assert play.silent  # found, and not ours: its key differs


def test_r8_settled_and_not_written_an_event_against_it_is_a_discrepancy_once() -> None:
    play = (asked() >> answered("create_card", declined)).skip()
    play >> event(approved(play.key())) << "accept" << "journal Disagreed" << "raise DISCREPANCY"
    play >> event(approved(play.key()), event_id="E2") << "accept"


def test_r7_an_event_only_hints_the_next_look_follows_soon() -> None:
    play = (named() >> rang("look")).skip()
    play >> event(declined(play.key())) << "accept"  # a look is under way already
    play >> answered("read_card", LOST) << "wake look +0.5"
