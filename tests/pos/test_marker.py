from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nexo_bridge.errors import ConfigurationError
from nexo_bridge.pos.marker import InProgress, Marker

PAYMENT = InProgress("TILL1", "POI00001", "7", "T7", "12.50", "EUR", "2025-03-14T09:26:53.000Z")


def test_a_note_is_read_back_by_the_next_run_and_cleared(tmp_path: Path) -> None:
    path = tmp_path / "till 1.json"
    assert Marker(path, "TILL1", "POI00001").read() is None
    Marker(path, "TILL1", "POI00001").set(PAYMENT)
    assert Marker(path, "TILL1", "POI00001").read() == PAYMENT
    Marker(path, "TILL1", "POI00001").clear()
    assert Marker(path, "TILL1", "POI00001").read() is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["till 1.json"]


def test_without_a_file_nothing_is_kept() -> None:
    marker = Marker(None, "TILL1", "POI00001")
    marker.set(PAYMENT)
    assert marker.read() is None
    marker.clear()


@pytest.mark.parametrize("text", ["not json", "[]", '{"sale_id": "TILL1"}', "7"])
def test_a_file_of_something_else_is_never_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "diary.txt"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"diary\.txt: not a state file"):
        Marker(path, "TILL1", "POI00001").read()
    assert path.read_text() == text


def test_a_note_of_another_pair_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "till.json"
    Marker(path, "TILL2", "POI00001").set(replace(PAYMENT, sale_id="TILL2"))
    with pytest.raises(ConfigurationError, match="a payment of TILL2 at POI00001"):
        Marker(path, "TILL1", "POI00001").read()


def test_a_disk_that_refuses_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Marker(tmp_path / "missing" / "till.json", "TILL1", "POI00001").set(PAYMENT)
