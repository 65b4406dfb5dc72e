"""Log records that a peer can cause, in bounded number: a flood of bad connections must not fill a disk."""

from __future__ import annotations

import structlog

from nexo_bridge.adapters.timer import Timer

_log = structlog.get_logger(__name__)


class Notices:
    """Warnings, at most ``limit`` of one event in ``per`` seconds; the next one after a gap counts the missing.

    Args:
        timer: the clock.
        limit: records of one event name in one period.
        per: length of a period in seconds.
    """

    def __init__(self, timer: Timer, *, limit: int = 20, per: float = 60.0) -> None:
        self._timer = timer
        self._limit = limit
        self._per = per
        self._seen: dict[str, tuple[float, int]] = {}

    def warn(self, event: str, **fields: str | float) -> None:
        """Log ``event`` with ``fields``, or count it when there were too many. Never raises."""
        now = self._timer.now()
        began, count = self._seen.get(event, (now, 0))
        missing = max(0, count - self._limit)
        if now - began >= self._per:
            began, count = now, 0
            if missing:
                fields["not_logged"] = missing
        self._seen[event] = (began, count + 1)
        if count < self._limit:
            _log.warning(event, **fields)
