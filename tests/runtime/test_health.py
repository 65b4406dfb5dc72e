from __future__ import annotations

import pytest

from nexo_bridge.runtime.health import headline

WELL = {
    "health": "ok",
    "takes_payments": True,
    "journal": "ok",
    "unwell": {"terminals": 0, "listeners": 0},
    "terminals": [{}, {}],
    "listeners": [{}],
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "takes payments; journal ok"),
        (
            {"health": "degraded", "unwell": {"terminals": 1, "listeners": 0}},
            "takes payments, degraded: 1 of 2 terminals; journal ok",
        ),
        (
            {"health": "degraded", "unwell": {"terminals": 1, "listeners": 1}},
            "takes payments, degraded: 1 of 2 terminals and 1 of 1 listeners; journal ok",
        ),
        (
            {"health": "down", "takes_payments": False, "journal": "broken"},
            "TAKES NO PAYMENTS; journal broken",
        ),
    ],
)
def test_i9_half_a_line_says_it(changes: dict[str, object], said: str) -> None:
    assert headline({**WELL, **changes}) == said
