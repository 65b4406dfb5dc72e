from __future__ import annotations

from nexo_bridge.categories.plan import timestamp
from tests.categories.facts import facts


def test_times_are_written_in_utc_with_milliseconds_and_zone() -> None:
    assert str(timestamp(1_700_000_000.25)) == "2023-11-14T22:13:20.250Z"
    assert facts(now=0.0).timestamp == timestamp(0.0)
