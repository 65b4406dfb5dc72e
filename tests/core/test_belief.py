"""What may be believed, and from when; the stories are in test_r4_certainty and test_r6_stops."""

from __future__ import annotations

from nexo_bridge.core.belief import FIRST_PAUSE, LONGEST_PARKED_PAUSE, LONGEST_PAUSE, Fence, Pace, Stop
from nexo_bridge.policy import Certainty
from tests.core.words import ACCEPTED, LOST, NOT_SENT


def test_pauses_grow_to_a_limit() -> None:
    pace = Pace()
    pauses = [pace.next(LONGEST_PAUSE) for _ in range(8)]
    assert pauses[0] == FIRST_PAUSE
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_a_stop_nobody_answered_yet_is_believable_from_now_on() -> None:
    assert Stop(sent=True).believable_from(10.0, 60.0) == 10.0


def test_r6_the_last_copy_that_may_act_counts() -> None:
    stop = Stop(sent=True)
    stop.heard(LOST, "terminal_abort", 10.0)
    stop.heard(NOT_SENT, "terminal_abort", 20.0)
    assert (stop.wanted, stop.believable_from(30.0, 60.0)) == (True, 70.0)
    stop.heard(ACCEPTED, "terminal_abort", 40.0)
    assert (stop.wanted, stop.believable_from(50.0, 60.0)) == (False, 100.0)


def test_r6_an_operation_that_never_undoes_an_approval_needs_no_wait() -> None:
    stop = Stop(sent=True)
    stop.heard(ACCEPTED, "fence_card", 10.0)
    assert stop.believable_from(20.0, 60.0) == 10.0


def test_r6_after_a_crash_a_copy_counts_as_just_lost() -> None:
    assert Stop.lost(5.0).believable_from(6.0, 60.0) == 65.0


def test_r4_reads_prove_nothing_before_a_fence_was_taken() -> None:
    fence = Fence()
    assert fence.provable_from(Certainty()) is None
    fence.taken(10.0)
    assert fence.provable_from(Certainty()) == 70.0
    assert max(fence.next_pause() for _ in range(20)) == LONGEST_PARKED_PAUSE
