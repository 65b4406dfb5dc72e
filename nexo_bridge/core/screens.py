"""What people see while an exchange runs. Each thing is shown or told once, and none of it disturbs the payment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from nexo_bridge.categories.plan import Shown
from nexo_bridge.core.exchange import Exchange
from nexo_bridge.core.replies import Replies
from nexo_bridge.core.signals import Reply
from nexo_bridge.core.source import Source
from nexo_bridge.ppaas.models import Model, Pending


@dataclass(slots=True)
class Screens:
    """Remembers what was shown of one exchange."""

    _told: set[str] = field(default_factory=set)
    _made: int = 0

    def first(self, mark: str) -> bool:
        """Whether ``mark`` is asked for the first time."""
        if mark in self._told:
            return False
        self._told.add(mark)
        return True

    def news(self, pending: Pending) -> bool:
        """Whether a pending transaction says something that was not shown yet."""
        return self.first(f"{pending.transaction.status}:{bool(pending.transaction.qr)}")

    def on_terminal(self, shown: Shown) -> Iterator[Model]:
        """What to show on the terminal: the first screen only; its display belongs to the payment."""
        for screen in shown.to_terminal:
            if self.first("terminal"):
                yield screen

    def on_pos(
        self, shown: Shown, exchange: Exchange, replies: Replies, source: Source, number: int
    ) -> Iterator[Reply]:
        """Device requests inside the service dialogue; their ids derive from ``number``, the event's."""
        for body in shown.to_pos:
            self._made += 1
            device_id = str((number * 10 + self._made) % 10**10)
            data = replies.device_request(exchange.request.header, device_id, body, exchange.received.version)
            yield Reply(source, data, exchange.id)
