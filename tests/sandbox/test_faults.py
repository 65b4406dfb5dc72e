from __future__ import annotations

import pytest

from nexo_bridge.sandbox.faults import FAULTS, Faults


def test_a_fault_happens_as_often_as_asked() -> None:
    faults = Faults()
    faults.inject("reset", times=2)
    assert [faults.take("reset", "POI00001") for _ in range(3)] == [True, True, False]


def test_a_fault_waits_for_its_terminal_and_operation() -> None:
    faults = Faults()
    faults.inject("reset", "POI00002", operation="read_card")
    assert not faults.take("reset", "POI00001", "read_card")
    assert not faults.take("reset", "POI00002", "create_card")
    assert not faults.take("slow-answers", "POI00002", "read_card")
    assert faults.left() == {"reset": 1}
    assert faults.take("reset", "POI00002", "read_card")
    assert faults.left() == {}


def test_faults_add_up_and_can_be_taken_back() -> None:
    faults = Faults()
    faults.inject("reset", times=2)
    faults.inject("reset", "POI00001", times=3)
    assert faults.left() == {"reset": 5}
    faults.inject("reset", times=0)
    assert faults.left() == {"reset": 3}


def test_wrong_words_are_refused() -> None:
    faults = Faults()
    with pytest.raises(ValueError, match="no fault is called 'explode'"):
        faults.inject("explode")
    with pytest.raises(ValueError, match="times"):
        faults.inject("reset", times=-1)


def test_the_list_is_closed() -> None:
    assert set(FAULTS) == {
        "lose-create-answer",
        "lose-create-request",
        "create-500-after-storing",
        "create-409",
        "read-404-at-first",
        "unauthorised-once",
        "token-down",
        "token-429",
        "token-html",
        "token-without-token",
        "token-life-missing",
        "token-life-zero",
        "token-life-negative",
        "token-life-string",
        "token-slow",
        "lose-refresh-answer",
        "slow-answers",
        "truncate-answer",
        "reset",
        "late-create",
        "stale-reads",
        "late-approval-after-cancel",
        "event-lost",
        "event-duplicate",
        "event-reorder",
        "event-before-create-answer",
        "event-foreign-terminal",
        "event-unknown-fields",
        "event-unknown-status",
        "event-contradiction",
        "event-late-approval",
        "webhook-forged",
        "webhook-old",
        "webhook-replayed",
        "drop-stream",
        "invalid-resume",
        "backlog",
    }


def test_an_operation_is_answered_with_a_status_as_often_as_asked() -> None:
    faults = Faults()
    faults.answer_with(202, "POI00001", 2, operation="fence_card")
    assert faults.status_of("POI00002", "fence_card") is None
    assert faults.status_of("POI00001", "read_card") is None
    assert [faults.status_of("POI00001", "fence_card") for _ in range(3)] == [202, 202, None]


@pytest.mark.parametrize(("status", "times"), [(199, 1), (600, 1), (202, 0)])
def test_what_is_no_status_is_refused(status: int, times: int) -> None:
    with pytest.raises(ValueError, match="200 to 599"):
        Faults().answer_with(status, None, times, operation="read_card")
