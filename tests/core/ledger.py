"""A platform that keeps books without de-duplication, and a network that loses, delays and repeats.

What really happened stands in ``rows``; nothing the bridge is told need be fresh, but a read is never made up. The
network's one promise: what has not arrived ``AFTER`` seconds after its call ended (a crash of ours ends a call too)
never will.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nexo_bridge.core.signals import CallPlatform
from nexo_bridge.ppaas.models import (
    Absent,
    Accepted,
    Approved,
    Declined,
    NotSent,
    Outcome,
    Pending,
    TerminalIs,
    Transaction,
    Unknown,
)

AFTER = 60.0
LIMIT = 60.0
"""Seconds after which the adapter gives a call up."""
LOST = Unknown(reason="lost")


@dataclass
class Row:
    """One create that arrived."""

    id: str
    key: str
    serial: str
    amount: int
    status: str = "PENDING"

    def seen(self) -> Outcome:
        facts = Transaction(
            transaction_id=self.id,
            client_transaction_id=self.key,
            device_id=self.serial,
            status=self.status,
            amount=self.amount,
            currency="EUR",
        )
        kinds: dict[str, type[Pending | Approved]] = {"PENDING": Pending, "APPROVED": Approved}
        return kinds.get(self.status, Declined)(transaction=facts)


@dataclass
class Flight:
    """A call on its way. ``ended`` is when the bridge stopped hoping for its answer."""

    call: CallPlatform
    begun: float
    arrived: bool = False
    answer: Outcome | None = None
    ended: float | None = None

    @property
    def open(self) -> bool:
        return self.ended is None


@dataclass
class Ledger:
    """Rows, fences, and everything under way."""

    serials: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    fences: set[str] = field(default_factory=set)
    flights: list[Flight] = field(default_factory=list)
    creates: dict[str, int] = field(default_factory=dict)
    told: list[tuple[str, Outcome]] = field(default_factory=list)  # every state there was, for events

    def begin(self, call: CallPlatform, now: float) -> None:
        if call.operation.startswith("create"):
            self.creates[call.key] = self.creates.get(call.key, 0) + 1
        self.flights.append(Flight(call, now))

    def under_way(self, now: float) -> list[Flight]:
        """What can still arrive."""
        return [
            one for one in self.flights if not one.arrived and (one.open or now < (one.ended or 0) + AFTER)
        ]

    def waiting(self) -> list[Flight]:
        """What the bridge still hopes for an answer to."""
        return [one for one in self.flights if one.open]

    def crash(self, now: float) -> None:
        for flight in self.waiting():
            flight.ended = now

    def row(self, key: str) -> Row | None:
        return next((row for row in self.rows if row.key == key), None)

    def change(self, row: Row, status: str) -> None:
        """A final no stays; an approval may only be undone."""
        if row.status == "PENDING" or (row.status == "APPROVED" and status == "CANCELLED"):
            row.status = status
            self._tell(row)

    def _tell(self, row: Row) -> None:
        poiid = next(poi for poi, serial in self.serials.items() if serial == row.serial)
        self.told.append((poiid, row.seen()))

    def arrive(self, flight: Flight, *, undo: bool = False) -> None:
        """The call reaches the platform: now it takes its effect and its answer is made.

        ``undo``: a stop that meets an approval undoes it, as nothing forbids.
        """
        flight.arrived = True
        call = flight.call
        kind = call.operation.partition("_")[0]
        body = call.body.model_dump() if call.body is not None else {}
        match kind:
            case "create" if call.key in self.fences:
                flight.answer = Unknown(reason="fenced", status=409)
            case "create":
                row = Row(
                    f"pp-{len(self.rows)}",
                    call.key,
                    self.serials[call.poiid],
                    body["payment_amount"]["amount"],
                )
                self.rows.append(row)
                self._tell(row)
                flight.answer = row.seen()
            case "read" | "find":
                query = dict(call.query)
                found = (
                    self.row(query["clientTransactionId"])
                    if query
                    else next((row for row in self.rows if row.id == dict(call.path)["transactionId"]), None)
                )
                flight.answer = found.seen() if found else Absent()
            case "fence":
                self._fence(flight, body["original_client_transaction_id"])
            case "terminal" if call.operation == "terminal_status":
                flight.answer = TerminalIs(state="IDLE" if undo else "BUSY")
            case "terminal" if call.operation == "terminal_display":
                flight.answer = Accepted()
            case _:
                self._stop(flight, body.get("transaction_id") or dict(call.path)["transactionId"], undo=undo)

    def _fence(self, flight: Flight, key: str) -> None:
        row = self.row(key)
        if row is None:
            self.fences.add(key)
            flight.answer = Absent()
        else:
            self.change(row, "CANCELLED") if row.status == "PENDING" else None
            flight.answer = row.seen()

    def _stop(self, flight: Flight, id: str, *, undo: bool) -> None:  # noqa: A002 - the field's name
        for row in self.rows:
            if row.id == id and (undo or row.status == "PENDING"):
                self.change(row, "CANCELLED")
        flight.answer = Accepted()

    def end(self, flight: Flight, how: str, now: float) -> Outcome:
        """What the bridge hears of the call: its answer, that it was lost, only "accepted", or a certain no.

        A call that is said not to have been sent never arrives.
        """
        flight.ended = now
        if how == "not_sent" and not flight.arrived:
            flight.arrived = True
            return NotSent(code="CONNECT", reason="nobody listens")
        if (
            how == "refused"
            and not flight.arrived
            and flight.call.operation in {"terminal_abort", "cancel_qr"}
        ):
            flight.arrived = True
            return NotSent(code="CANCEL_NOT_ALLOWED", reason="403", status=403)
        if how == "accepted" and flight.call.operation.startswith(("fence", "terminal_abort", "cancel")):
            return Accepted()  # the effect may come later, or never
        if how == "lost" or flight.answer is None:
            return LOST
        return flight.answer
