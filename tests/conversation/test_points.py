"""Every point that the bridge announces is in the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nexo_bridge.conversation.points import is_point

PACKAGE = Path(__file__).parents[2] / "nexo_bridge"


@pytest.mark.parametrize(
    "name",
    [
        "frame.read",
        "Arrived.taken",
        "Asking.decided",
        "create_card.sending",
        "Reply.written",
        "PARKED.raised",
    ],
)
def test_it_is_a_point(name: str) -> None:
    assert is_point(name)


@pytest.mark.parametrize("name", ["frame", "frame.eaten", "Asking.decided.twice", "frame_read"])
def test_it_is_none(name: str) -> None:
    assert not is_point(name)


def test_what_the_source_announces_is_in_the_table() -> None:
    announced = {
        re.sub(r"\{.*?\}", "some_name", name)
        for folder in ("runtime", "adapters")
        for path in (PACKAGE / folder).glob("*.py")
        for name in re.findall(r"checkpoint\(f?\"([^\"]+)\"\)", path.read_text(encoding="utf-8"))
    }
    assert len(announced) > 8
    assert [name for name in announced if not is_point(name)] == []
