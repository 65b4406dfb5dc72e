"""What the platform tells unasked: one log of events for each device, written in the order they are sent.

A stream reads a device's log from where it left off; webhooks get every event as it is written. Faults and the
schedule act before an event is written, so that every channel shows the same disorder.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nexo_bridge.sandbox.clock import Clock
from nexo_bridge.sandbox.faults import Faults
from nexo_bridge.sandbox.ledger import YES, Transaction, instant

BACKLOG = 10_000
"""How many old events the fault ``backlog`` sends."""

STRANGER = "2097CD999999"
"""A device that no platform and no bridge has."""

Schedule = Mapping[str, tuple[float, ...]]
"""Status, or ``*`` for every other one → seconds after which its event is sent, once for each; empty: never."""


def parse_schedule(text: str) -> dict[str, tuple[float, ...]]:
    """``APPROVED=0.2+3,PIN_ENTRY=,*=0`` as a schedule.

    Raises:
        ValueError: it is written differently.
    """
    schedule: dict[str, tuple[float, ...]] = {}
    for part in filter(None, text.split(",")):
        status, equals, delays = part.partition("=")
        seconds = tuple(float(delay) for delay in filter(None, delays.split("+")))
        if not status or not equals or not all(0 <= delay < float("inf") for delay in seconds):
            raise ValueError("write STATUS=SECONDS+SECONDS,STATUS=…, with * for every other status")
        schedule[status] = seconds
    return schedule


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it is sent."""

    event_id: str
    device_id: str
    body: bytes


Hearer = Callable[[Event], None]


class Events:
    """The log of every device, and who hears of new entries.

    Attributes:
        schedule: when events are sent; read anew at each.
        late: seconds after which ``event-late-approval`` approves.
    """

    def __init__(
        self, clock: Clock, faults: Faults, poiids: Mapping[str, str], *, seed: int | None, late: float
    ) -> None:
        self._clock = clock
        self._faults = faults
        self._poiids = dict(poiids)  # by serial
        self._name = f"{random.Random(seed).getrandbits(32):08x}"
        self._made = 0
        self._held: dict[str, list[Event]] = {}
        self._hearers: list[Hearer] = []
        self.logs: dict[str, list[Event]] = {serial: [] for serial in poiids}
        self.schedule: Schedule = {}
        self.late = late

    def listen(self, hearer: Hearer) -> None:
        """Call ``hearer`` with every event from now on."""
        self._hearers.append(hearer)

    def forget(self, hearer: Hearer) -> None:
        """Call it no more."""
        self._hearers.remove(hearer)

    def moved(self, transaction: Transaction) -> None:
        """A transaction has just gone to its status."""
        body = {
            "eventType": "transaction.updated",
            "occurredAt": transaction.updated_at,
            "sequence": len(transaction.events),
            **transaction.answer(),
        }
        if transaction.device_id not in self.logs:
            return
        delays = self.schedule.get(transaction.status, self.schedule.get("*", (0.0,)))
        event_id = self._next_id()
        for delay in delays:
            if delay:
                self._clock.call_later(delay, lambda: self._emit(event_id, body))
            else:
                self._emit(event_id, body)
        self._approve_later(transaction)

    def position(self, serial: str, event_id: str) -> int | None:
        """Where to go on after ``event_id``; None when it is not known."""
        log = self.logs[serial]
        return next((n + 1 for n in range(len(log) - 1, -1, -1) if log[n].event_id == event_id), None)

    def backlog(self, serial: str, count: int = BACKLOG) -> None:
        """Write so many events of payments that nobody knows any more."""
        for number in range(count):
            approved = number % 2 == 0
            body = {
                "eventType": "transaction.updated",
                "occurredAt": instant(self._clock.now()),
                "sequence": 5,
                "transactionId": f"txn_OLD{number:06d}",
                "clientTransactionId": f"00000000-0000-4000-8000-{number:012d}",
                "transactionType": "SALE",
                "deviceId": serial,
                "status": "APPROVED" if approved else "DECLINED",
                "paymentAmount": {"amount": 1000, "currency": "EUR"},
            }
            self._write(serial, self._event(self._next_id(), body))

    # -- one event, and what goes wrong with it ------------------------------------------------------------------

    def _emit(self, event_id: str, body: dict[str, Any]) -> None:
        serial, final = (
            body["deviceId"],
            body["status"] in {*YES, "DECLINED", "CANCELLED", "EXPIRED", "FAILED"},
        )
        if self._due("event-lost", serial):
            return
        if self._due("event-unknown-fields", serial):
            strange = {"loyalty": {"points": [1, {"two": None}]}, "x" * 200: "y", "version": 99}
            self._write(serial, self._event(self._next_id(), {**body, "eventType": "device.moodChanged"}))
            body = {**body, **strange}
        if self._due("event-unknown-status", serial):
            self._write(serial, self._event(self._next_id(), {**body, "status": "UNDER_REVIEW"}))
        event = self._event(event_id, body)
        if self._due("event-reorder", serial):
            self._held.setdefault(serial, []).append(event)
            return
        copies = 1
        while self._due("event-duplicate", serial):
            copies += 1
        for _ in range(copies):
            self._write(serial, event)
        for held in reversed(self._held.pop(serial, [])):
            self._write(serial, held)
        if self._due("event-foreign-terminal", serial):
            for other in self.logs.keys() - {serial}:
                self._write(other, event)
            self._write(serial, self._event(self._next_id(), {**body, "deviceId": STRANGER}))
        if final and self._due("event-contradiction", serial):
            self._write(serial, self._event(self._next_id(), _opposite(body)))

    def _approve_later(self, transaction: Transaction) -> None:
        """Fault ``event-late-approval``: what the cardholder was told had failed was charged after all."""
        wanted = transaction.kind == "SALE" and transaction.final and not transaction.approved
        if not wanted or not self._due("event-late-approval", transaction.device_id):
            return

        def approve() -> None:
            transaction.decline = None
            transaction.authorised = transaction.amount
            transaction.approval_code = "LATE01"
            transaction.move("APPROVED", self._clock.now())

        self._clock.call_later(self.late, approve)

    def _due(self, fault: str, serial: str) -> bool:
        return self._faults.take(fault, self._poiids[serial])

    def _next_id(self) -> str:
        self._made += 1
        return f"evt_{self._name}_{self._made:08d}"

    def _event(self, event_id: str, body: dict[str, Any]) -> Event:
        text = json.dumps({"eventId": event_id, **body}, ensure_ascii=False, separators=(",", ":"))
        return Event(event_id, body["deviceId"], text.encode())

    def _write(self, serial: str, event: Event) -> None:
        self.logs[serial].append(event)
        for hearer in tuple(self._hearers):
            hearer(event)


def _opposite(body: dict[str, Any]) -> dict[str, Any]:
    """The same event with the other ending and a higher number."""
    if body["status"] in YES:
        changed: dict[str, Any] = {"status": "DECLINED", "decline": {"code": "REFUSED"}}
        gone: Iterable[str] = ("authorisedAmount", "approvalCode", "tipAmount", "cashbackAmount")
    else:
        changed = {"status": "APPROVED", "authorisedAmount": body["paymentAmount"]["amount"]}
        gone = ("decline",)
    kept = {name: value for name, value in body.items() if name not in gone}
    return {**kept, **changed, "sequence": body["sequence"] + 1}
