from __future__ import annotations

import pytest

from nexo_bridge.adapters.mqtt_owner import Owners, named, record


def test_f89_the_first_who_is_heard_owns_the_terminal() -> None:
    owners = Owners("A", "i", {"P1", "P2", "P3"})
    assert owners.undecided == ["P1", "P2", "P3"]
    assert not owners.hear("P1", record("A"))
    assert not owners.hear("P2", record("B"))
    assert not owners.hear("P2", record("A"))  # our own claim, too late
    assert (owners.own, owners.foreign, owners.undecided) == (["P1"], ["P2"], ["P3"])


def test_f89_a_rival_is_told_again_whose_the_terminal_is() -> None:
    owners = Owners("A", "i", {"P1"})
    owners.hear("P1", record("A"))
    assert owners.hear("P1", record("B"))
    assert owners.rivals == {"P1": "B"}
    assert owners.own == ["P1"]


def test_f89_a_record_taken_away_is_said_again_by_its_owner_and_frees_what_was_anothers() -> None:
    owners = Owners("A", "i", {"P1", "P2"})
    owners.hear("P1", record("A"))
    owners.hear("P2", record("B"))
    assert owners.hear("P1", b"")
    assert not owners.hear("P2", b"")
    assert owners.undecided == ["P2"]


@pytest.mark.parametrize("payload", [b"nonsense", b"[]", b'{"bridge": 1}', b'{"bridge": ""}', b"{}", b"\xff"])
def test_f89_a_record_nobody_can_read_is_not_ours(payload: bytes) -> None:
    assert named(payload) == "?"


def test_a_record_says_its_bridge() -> None:
    assert named(record("A")) == "A"


def test_f84_a_record_of_our_name_and_of_another_process_is_a_twins() -> None:
    owners = Owners("A", "1")
    assert not owners.is_twin(record("A", "1"))
    assert owners.is_twin(record("A", "2"))
    assert not owners.is_twin(record("B", "2"))
    assert not owners.is_twin(b"")
