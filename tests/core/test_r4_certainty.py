"""R4: when "no" and "yes" are certain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nexo_bridge.policy import Certainty
from nexo_bridge.ppaas.models import NotSent, Outcome
from tests.core.playbook import Play, answered, asked, named, open_for, rang
from tests.core.words import (
    ABSENT,
    ACCEPTED,
    IDLE,
    LOST,
    NOT_SENT,
    POLICY,
    abort,
    approved,
    declined,
    payment,
    pending,
)


def lost(play: Play | None = None) -> Play:
    """The create's answer was lost, and the first look by key is under way."""
    play = asked(play=play) >> answered("create_card", LOST)
    return play << "call find_card"


def fenced() -> Play:
    """Three looks found nothing; the fence is under way."""
    play = lost()
    for n in range(3):
        play >> answered("find_card", ABSENT)
        if n < 2:
            (play.skip() >> rang("look")).skip()
    return play.skip()


# -- each outcome of the create ------------------------------------------------------------------------------------


def test_r4_not_sent_is_certain() -> None:
    play = asked() >> answered("create_card", NOT_SENT)
    play << "journal Settled" << "reply Failure/UnreachableHost"


def test_r4_a_readable_refusal_is_certain() -> None:
    refusal = NotSent(code="TERMINAL_BUSY", reason="422", status=422)
    play = asked() >> answered("create_card", refusal)
    play << "journal Settled" << "reply Failure/Busy"


def test_r4_approved_and_declined_settle_at_once() -> None:
    play = asked() >> answered("create_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"
    play = asked() >> answered("create_card", declined)
    play << "journal Acknowledged" << "journal Settled" << "reply Failure/Refusal"


def test_r4_pending_is_read_again_with_growing_pauses() -> None:
    play = asked() >> answered("create_card", pending)
    play << "journal Acknowledged" << "wake look +0.5"
    for pause in ("0.8", "1.28", "2.048", "3.277", "5", "5"):
        (play >> rang("look")) << "call read_card"
        (play >> answered("read_card", pending)) << f"wake look +{pause}"
    play >> rang("look") << "call read_card"
    play >> answered("read_card", approved) << "journal Settled" << "reply Success"


@pytest.mark.parametrize("outcome", [LOST, ABSENT, ACCEPTED, IDLE], ids=lambda one: one.kind)
def test_r4_anything_else_about_a_create_is_unknown_and_looked_for_by_key(outcome: Outcome) -> None:
    play = asked() >> answered("create_card", outcome)
    play << "call find_card"
    play >> answered("find_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


def test_r4_a_read_that_fails_says_nothing() -> None:
    play = named() >> rang("look")
    (play << "call read_card") >> answered("read_card", LOST)
    play << "wake look +0.8"
    (play >> rang("look") << "call read_card") >> answered("read_card", ABSENT)
    play << "wake look +1.28"


# -- never created --------------------------------------------------------------------------------------------------


def test_r4_a_fence_is_decided_after_three_looks_by_key_that_found_nothing() -> None:
    play = lost() >> answered("find_card", ABSENT)
    (play << "wake look +0.5") >> rang("look")
    (play << "call find_card") >> answered("find_card", ABSENT)
    (play << "wake look +0.8") >> rang("look")
    (play << "call find_card") >> answered("find_card", ABSENT)
    play << "journal Fenced" << "call fence_card" << "wake look +1.28"


def test_r4_a_wish_decides_the_fence_at_once() -> None:
    play = lost() >> abort()
    play << "journal Wished" << "journal Fenced" << "call fence_card"


def test_r4_a_fence_that_found_nothing_proves_it_was_never_created() -> None:
    play = fenced() >> answered("fence_card", ABSENT)
    play << "journal Settled" << "reply Failure/UnreachableHost"
    assert play.last["Settled"].body["status"] == "NEVER_CREATED"
    assert play.last["Settled"].body["code"] == "NB-312"


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [(approved, "reply Success"), (declined, "reply Failure/Refusal")],
    ids=["approved", "declined"],
)
def test_r4_a_fence_that_found_it_is_acknowledged_and_a_read_settles(outcome: object, ending: str) -> None:
    play = fenced() >> answered("fence_card", outcome)  # type: ignore[arg-type]  # makers of outcomes
    play << "journal Acknowledged" << "call read_card"
    play >> answered("read_card", outcome)  # type: ignore[arg-type]  # as above
    play << "journal Settled" << ending


def test_r4_a_fence_that_found_it_pending_is_acknowledged() -> None:
    play = fenced() >> answered("fence_card", pending)
    play << "journal Acknowledged" << "call read_card"
    play >> answered("read_card", pending) << "wake look +0.5"


def test_r4_a_late_fence_after_a_look_found_it_decides_nothing() -> None:
    play = (fenced() >> rang("look")).skip()
    (play >> answered("find_card", pending)).skip()
    play >> answered("fence_card", ABSENT)
    assert play.silent
    assert play.bridge.unresolved == 1


def accepted() -> Play:
    """The fence's answer says no more than "accepted"."""
    play = fenced() >> answered("fence_card", ACCEPTED)
    return play << "wake look +60"


def test_r4_after_accepted_three_reads_begun_sixty_seconds_later_prove_it() -> None:
    play = accepted() >> rang("look")
    (play << "call find_card") >> answered("find_card", ABSENT)
    (play << "wake look +10") >> rang("look")
    (play << "call find_card") >> answered("find_card", ABSENT)
    (play << "wake look +10") >> rang("look")
    (play << "call find_card") >> answered("find_card", ABSENT)
    play << "journal Settled" << "reply Failure/UnreachableHost"


def test_r4_a_read_begun_before_the_sixty_seconds_counts_for_nothing() -> None:
    play = (fenced() >> rang("look")).skip()  # begun before the answer
    (play >> answered("fence_card", ACCEPTED)).skip()
    play.wait(59)
    play >> answered("find_card", ABSENT) << "wake look +1"
    for pause in (10, 10):
        (play >> rang("look")).skip()
        play >> answered("find_card", ABSENT) << f"wake look +{pause}"
    (play >> rang("look")).skip()
    play >> answered("find_card", ABSENT) << "journal Settled" << "reply Failure/UnreachableHost"


@pytest.mark.parametrize("between", [LOST, NOT_SENT], ids=lambda one: one.kind)
def test_r4_anything_else_in_between_begins_the_three_anew(between: Outcome) -> None:
    play = accepted()
    for outcome in (ABSENT, ABSENT, between, ABSENT, ABSENT):
        ((play >> rang("look")).skip() >> answered("find_card", outcome)).skip()
    assert "Settled" not in play.events
    (play >> rang("look")).skip()
    play >> answered("find_card", ABSENT) << "journal Settled"
    play.skip()


def test_r4_a_foreign_answer_in_between_begins_the_three_anew_too() -> None:
    play = accepted()
    for outcome in (ABSENT, ABSENT, pending("another key"), ABSENT, ABSENT):
        ((play >> rang("look")).skip() >> answered("find_card", outcome)).skip()
    assert "Settled" not in play.events


def test_r4_found_after_all_it_is_acknowledged() -> None:
    play = accepted()
    (play >> rang("look")).skip()
    play >> answered("find_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


def test_r4_a_lost_fence_is_sent_again_with_growing_pauses_and_no_new_decision() -> None:
    play = fenced() >> answered("fence_card", LOST)
    play << "wake fence +0.5"
    (play >> rang("fence") << "call fence_card") >> answered("fence_card", NOT_SENT)
    play << "wake fence +0.8"
    (play >> rang("fence") << "call fence_card") >> answered("fence_card", ABSENT)
    play << "journal Settled" << "reply Failure/UnreachableHost"


def test_r4_a_fence_found_meanwhile_is_not_sent_again() -> None:
    play = (fenced() >> answered("fence_card", LOST)).skip()
    (play >> rang("look")).skip()
    (play >> answered("find_card", pending)).skip()
    play >> rang("fence")
    assert play.silent


def test_r4_one_fence_at_a_time() -> None:
    play = fenced()
    play >> abort() << "journal Wished"
    assert [call.operation for call in play.calls].count("fence_card") == 1


def test_r4_a_platform_that_has_no_fence_is_told_to_people_once() -> None:
    refused = NotSent(code="NOT_FOUND", reason="404", status=404)
    play = fenced() >> answered("fence_card", refused)
    play << "raise NO_FENCE" << "wake fence +0.5"
    (play >> rang("fence")).skip()
    play >> answered("fence_card", refused) << "wake fence +0.8"


def test_r4_without_a_fence_reads_never_prove_it() -> None:
    policy = replace(POLICY, certainty=Certainty(fence=False))
    play = lost(open_for(policy=policy))
    for _ in range(50):
        (play >> answered("find_card", ABSENT)).skip()
        (play >> rang("look")).skip()
    assert "Settled" not in play.events
    assert "Fenced" not in play.events
    play >> abort() << "journal Wished"
    play >> answered("find_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


# -- before "yes" ---------------------------------------------------------------------------------------------------

FOREIGN = [
    {"client_transaction_id": "another"},
    {"device_id": "SER2"},
    {"currency": "CHF"},
]


@pytest.mark.parametrize("facts", FOREIGN, ids=lambda one: next(iter(one)))
def test_r4_an_answer_about_something_else_is_not_believed_and_told_to_people_once(
    facts: dict[str, str],
) -> None:
    def other(key: str) -> Outcome:
        return approved(key, **facts)

    play = asked() >> answered("create_card", other)
    play << "raise FOREIGN" << "wake look +0.5"
    (play >> rang("look") << "call find_card") >> answered("find_card", other)
    play << "wake look +0.8"
    (play >> rang("look") << "call find_card") >> answered("find_card", approved)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"


def test_r4_another_transaction_id_is_not_believed() -> None:
    play = (named() >> rang("look")).skip()
    play >> answered("read_card", approved, transaction_id="pp-2") << "raise FOREIGN" << "wake look +0.8"


def test_r4_a_fence_that_names_something_else_is_not_believed() -> None:
    play = fenced() >> answered("fence_card", approved("another"))
    play << "raise FOREIGN" << "call find_card"


@pytest.mark.parametrize(
    "facts",
    [
        {"authorised": 1001},
        {"authorised": 1100, "tip": 99},
        {"authorised": 0},
        {"authorised": 1101, "surcharge": 100},
    ],
    ids=["more", "more than the tip", "nothing", "more than the surcharge"],
)
def test_r4_an_amount_that_cannot_be_explained_is_not_believed(facts: dict[str, int]) -> None:
    play = asked() >> answered("create_card", approved, **facts)
    play << "journal Acknowledged" << "raise AMOUNT" << "wake look +0.5"
    (play >> rang("look")).skip()
    play >> answered("read_card", approved, **facts) << "wake look +0.8"


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "10.00"),
        ({"authorised": 1100, "tip": 100}, "11.00"),
        ({"authorised": 1030, "surcharge": 30}, "10.30"),
        ({"authorised": 1130, "surcharge": 30, "tip": 100}, "11.30"),
    ],
    ids=["no word about it", "tip", "surcharge", "both"],
)
def test_r4_tips_and_surcharges_explain_more(facts: dict[str, int], said: str) -> None:
    play = asked() >> answered("create_card", approved, **facts)
    play << "journal Acknowledged" << "journal Settled" << "reply Success"
    assert f'AuthorizedAmount="{said}"' in play.replies[-1].data.decode()


def test_r4_a_tip_that_was_asked_for_explains_nothing_more() -> None:
    play = asked(payment("10.00", tip="1.00"))
    play >> answered("create_card", approved, authorised=1100, tip=100)
    play << "journal Acknowledged" << "raise AMOUNT" << "wake look +0.5"


def test_r4_less_than_asked_is_partial() -> None:
    play = asked() >> answered("create_card", approved, status="PARTIALLY_APPROVED", authorised=600)
    play << "journal Acknowledged" << "journal Settled" << "reply Partial/Refusal"


def test_r4_an_answer_of_an_earlier_life_means_nothing() -> None:
    play = asked()
    before = play.calls[0]
    play.restart().skip()
    play.calls.append(before)
    play >> answered("create_card", approved)
    assert play.silent
