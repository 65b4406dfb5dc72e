"""What really happened: every transaction the platform accepted, one row each.

De-duplication is off by default, so that a create sent twice is two rows and two charges, for anyone to see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Method = Literal["card", "qr"]
Kind = Literal["SALE", "CANCEL"]

FINAL = frozenset({"APPROVED", "PARTIALLY_APPROVED", "DECLINED", "CANCELLED", "EXPIRED", "FAILED"})
YES = frozenset({"APPROVED", "PARTIALLY_APPROVED"})


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(eq=False, slots=True)
class Transaction:
    """One row. Amounts in minor units of ``currency``; ``amount`` is as requested and never changes.

    Attributes:
        fingerprint: the create's content, by which de-duplication tells a repeat from a collision.
        authorised: what is charged at this moment; less after a partial cancel.
        creates: accepted creates merged into this row; 1 with de-duplication off.
        presented: whether the instrument is known to the platform yet.
        captured: settled with the acquirer, so that a cancel comes too late.
        unstoppable: a stop was accepted but will not act (fault ``late-approval-after-cancel``).
        first_answer: the answer as it was just after the create (fault ``stale-reads``).
        provided: a service provider tells how it goes, not the cardholder at the terminal.
        heard: is told of every move.
    """

    transaction_id: str
    key: str
    device_id: str
    method: Method
    kind: Kind
    amount: int
    currency: str
    fingerprint: str = ""
    original: str | None = None
    status: str = "PENDING"
    authorised: int | None = None
    tip: int = 0
    cashback: int = 0
    approval_code: str = ""
    decline: tuple[str, str] | None = None
    qr_code: dict[str, str] | None = None
    instrument: dict[str, str] = field(default_factory=dict)
    presented: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    updated_at: str = ""
    creates: int = 1
    captured: bool = False
    unstoppable: bool = False
    first_answer: dict[str, Any] = field(default_factory=dict)
    provided: bool = False
    heard: Callable[[Transaction], None] | None = field(default=None, repr=False)

    @property
    def final(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.status in FINAL

    @property
    def approved(self) -> bool:
        """Whether money is charged at this moment."""
        return self.status in YES

    @property
    def code(self) -> str:
        """What the customer scans; empty if nothing."""
        return self.qr_code["content"] if self.qr_code else ""

    def move(self, status: str, now: datetime) -> None:
        """Go to ``status``."""
        self.status = status
        self.updated_at = instant(now)
        self.events.append(
            {"sequence": len(self.events) + 1, "status": status, "occurredAt": self.updated_at}
        )
        if self.heard is not None:
            self.heard(self)

    def answer(self, *, events: bool = False) -> dict[str, Any]:
        """The transaction as every answer of the platform shows it; ``events`` as card reads have them."""
        body: dict[str, Any] = {
            "transactionId": self.transaction_id,
            "clientTransactionId": self.key,
            "originalTransactionId": self.original,
            "transactionType": self.kind,
            "deviceId": self.device_id,
            "status": self.status,
            "paymentAmount": {"amount": self.amount, "currency": self.currency},
            "authorisedAmount": self.authorised if self.approved else None,
            "tipAmount": (self.tip or None) if self.approved else None,
            "cashbackAmount": (self.cashback or None) if self.approved else None,
            "approvalCode": (self.approval_code or None) if self.approved else None,
            "decline": {"code": self.decline[0], "message": self.decline[1]} if self.decline else None,
            "qrCode": self.qr_code if self.status == "PENDING" else None,
            "paymentInstrument": dict(self.instrument) if self.presented else None,
            "events": list(self.events) if events else None,
            "updatedAt": self.updated_at,
        }
        return {name: value for name, value in body.items() if value is not None}

    def row(self) -> dict[str, Any]:
        """The row as the control interface prints it."""
        return {
            "clientTransactionId": self.key,
            "transactionId": self.transaction_id,
            "deviceId": self.device_id,
            "kind": self.kind.lower(),
            "original": self.original,
            "amount": self.amount,
            "currency": self.currency,
            "status": self.status,
            "creates": self.creates,
            "charges": 1 if self.approved else 0,
        }


class Ledger:
    """All rows, and the keys no create may use any more."""

    def __init__(self) -> None:
        self._rows: list[Transaction] = []
        self._by_id: dict[str, Transaction] = {}
        self._fences: set[tuple[str, Method, str]] = set()

    def add(self, transaction: Transaction) -> None:
        """Write down one accepted transaction."""
        self._rows.append(transaction)
        self._by_id[transaction.transaction_id] = transaction

    def by_id(self, transaction_id: str) -> Transaction | None:
        """The transaction the platform calls so."""
        return self._by_id.get(transaction_id)

    def by_key(self, device_id: str, method: Method, key: str) -> list[Transaction]:
        """Every transaction of the device with this key, oldest first; more than one after a doubled create."""
        wanted = (device_id, method, key.lower())
        return [row for row in self._rows if (row.device_id, row.method, row.key.lower()) == wanted]

    def newest(self, device_id: str) -> Transaction | None:
        """The newest sale of the device."""
        return next(
            (row for row in reversed(self._rows) if row.device_id == device_id and row.kind == "SALE"), None
        )

    def fence(self, device_id: str, method: Method, key: str) -> None:
        """Refuse every create with this key from now on."""
        self._fences.add((device_id, method, key.lower()))

    def fenced(self, device_id: str, method: Method, key: str) -> bool:
        """Whether a fence stands before this key."""
        return (device_id, method, key.lower()) in self._fences

    def settle(self) -> int:
        """Capture every approved sale, as the end of a day does; how many there were."""
        due = [row for row in self._rows if row.kind == "SALE" and row.approved and not row.captured]
        for row in due:
            row.captured = True
        return len(due)

    def payments(self) -> list[dict[str, Any]]:
        """The rows of ``GET /ledger``: what may move money of its own. Cancels are marks on their original."""
        return [row.row() for row in self._rows if row.kind != "CANCEL"]

    def cancels(self) -> list[dict[str, Any]]:
        """The rows of ``GET /cancels``."""
        return [row.row() for row in self._rows if row.kind == "CANCEL"]
