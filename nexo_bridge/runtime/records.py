"""One log record for each exchange, made of the decisions as they are taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from nexo_bridge.core import decisions as did
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.signals import Command, Forget, Journal
from nexo_bridge.runtime.telemetry import record_exchange

MOST = 10_000
"""Exchanges kept track of at most: what a broken journal leaves behind must not grow without bound."""


@dataclass(slots=True)
class _Running:
    begun: float
    received: did.Received
    transaction: str | None = None
    states: list[tuple[str, float]] = field(default_factory=list)


class Records:
    """An observer of the runner's commands. Exchanges taken up after a restart are recorded from there on."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}

    def observe(self, stamp: Stamp, command: Command) -> None:
        """Take note of a decision; write the record when it is the one that settles."""
        match command:
            case Journal(entry=entry) if entry.exchange is not None:
                self._decided(stamp, entry.exchange, did.read(entry))
            case Forget(exchange=exchange):
                self._running.pop(exchange, None)
            case _:
                pass

    def _decided(self, stamp: Stamp, exchange: str, decision: did.AnyDecision) -> None:
        if isinstance(decision, did.Received) and len(self._running) < MOST:
            self._running[exchange] = _Running(stamp.mono, decision)
        running = self._running.get(exchange)
        if running is None:
            return
        running.states.append((decision.name.lower(), stamp.mono - running.begun))
        if isinstance(decision, did.Acknowledged):
            running.transaction = decision.transaction_id
        if isinstance(decision, did.Settled):
            received = running.received
            record_exchange(
                exchange=exchange,
                category=received.category,
                poiid=received.poi_id,
                sale_id=received.sale_id,
                service_id=received.service_id,
                outcome=decision.result,
                condition=decision.condition,
                amount=Decimal(received.amount) if received.amount is not None else None,
                currency=received.currency,
                transaction=running.transaction,
                states=running.states,
            )
            del self._running[exchange]
