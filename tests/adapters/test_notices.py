from __future__ import annotations

from structlog.testing import capture_logs

from nexo_bridge.adapters.notices import Notices
from nexo_bridge.adapters.timer import HandTimer


def test_a_flood_is_counted_and_not_written() -> None:
    timer = HandTimer()
    notices = Notices(timer, limit=2, per=60)
    with capture_logs() as records:
        for number in range(10):
            notices.warn("bad", number=number)
        notices.warn("other")
    assert [(record["event"], record.get("number")) for record in records] == [
        ("bad", 0),
        ("bad", 1),
        ("other", None),
    ]


async def test_the_next_period_says_how_many_are_missing() -> None:
    timer = HandTimer()
    notices = Notices(timer, limit=2, per=60)
    with capture_logs() as records:
        for _ in range(5):
            notices.warn("bad")
        timer.advance(60)
        notices.warn("bad")
        timer.advance(60)
        notices.warn("bad")
    assert [record.get("not_logged") for record in records] == [None, None, 3, None]
