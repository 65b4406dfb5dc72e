"""What the platform does with a call, once it knows which device asks. No HTTP here, no faults, no tokens."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from io import BytesIO

import segno

from nexo_bridge.sandbox.bodies import Abort, Cancel, CreateCard, CreateQr, Display, Fence, PaymentAmount
from nexo_bridge.sandbox.clock import Clock
from nexo_bridge.sandbox.endings import Ending
from nexo_bridge.sandbox.ledger import Ledger, Method, Transaction, instant
from nexo_bridge.sandbox.terminals import Pace, Terminal
from nexo_bridge.sandbox.wire import PlatformError

LARGEST = 99_999_999_999
_NO_CURRENCIES = frozenset({"XTS", "XXX"})
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Platform:
    """Terminals by serial number and the ledger behind them.

    Raises ``PlatformError`` from every operation, with the statuses and codes of ``docs/ppaas-contract.md``.

    Attributes:
        provided: QR payments that the customer scans get their code and their progress from a service provider.
    """

    def __init__(
        self,
        clock: Clock,
        pace: Pace,
        devices: Mapping[str, str],
        *,
        dedup: bool,
        seed: int | None,
        heard: Callable[[Transaction], None] | None = None,
    ) -> None:
        self._clock = clock
        self._pace = pace
        self._random = random.Random(seed)
        self._dedup = dedup
        self._heard = heard
        self.ledger = Ledger()
        self.provided = False
        self.terminals: dict[str, Terminal] = {
            serial: Terminal(poiid, serial, clock, pace, lambda: self._letters(6))
            for poiid, serial in devices.items()
        }

    def create_card(self, serial: str, body: CreateCard) -> tuple[Transaction, bool]:
        """Begin a card payment; the transaction, and whether it is new."""
        return self._create(
            serial,
            Transaction(
                transaction_id=f"txn_{self._letters(20)}",
                key=body.client_transaction_id,
                device_id=serial,
                method="card",
                kind="SALE",
                amount=body.payment_amount.amount,
                currency=body.payment_amount.currency,
                fingerprint=body.model_dump_json(),
                tip=body.tip_amount,
                cashback=body.cashback_amount,
                instrument={"brand": "VISA", "maskedPan": "476173******0119", "entryMode": "CONTACTLESS"},
            ),
            None if body.transaction_type == "SALE" else "TRANSACTION_TYPE_NOT_ALLOWED",
        )

    def create_qr(self, serial: str, body: CreateQr) -> tuple[Transaction, bool]:
        """Begin a QR payment; the transaction, and whether it is new."""
        scanned = bool(body.scanned_payment_id)
        missing = body.payment_scenario == "merchantscan" and not scanned
        transaction = Transaction(
            transaction_id=f"txn_{self._letters(20)}",
            key=body.client_transaction_id,
            device_id=serial,
            method="qr",
            kind="SALE",
            amount=body.payment_amount.amount,
            currency=body.payment_amount.currency,
            fingerprint=body.model_dump_json(),
            instrument={"brand": body.payment_type, "entryMode": "SCANNED"},
        )
        if not scanned and self.provided:
            transaction.provided = True
        elif not scanned:
            content = f"https://pay.sandbox.invalid/{transaction.transaction_id}"
            transaction.qr_code = {
                "content": content,
                "imageBase64": _png(content),
                "expiresAt": instant(self._clock.now() + timedelta(seconds=self._pace.limit)),
            }
        return self._create(serial, transaction, "SCANNED_CODE_MISSING" if missing else None)

    def _create(self, serial: str, new: Transaction, refusal: str | None) -> tuple[Transaction, bool]:
        terminal = self.terminals[serial]
        if self.ledger.fenced(serial, new.method, new.key):
            raise PlatformError(409, "FENCED", "This key was fenced")
        if self._dedup and (known := self.ledger.by_key(serial, new.method, new.key)):
            if known[0].kind == "CANCEL" or known[0].fingerprint != new.fingerprint:
                raise PlatformError(409, "CONFLICT", "This key belongs to another transaction")
            known[0].creates += 1
            return known[0], False
        if refusal is None:
            refusal = self._refusal(terminal, new)
        if refusal is not None:
            raise PlatformError(422, refusal, "This create is refused")
        new.heard = self._heard
        new.move("PENDING", self._clock.now())
        new.first_answer = new.answer()
        self.ledger.add(new)
        terminal.begin(new)
        return new, True

    @staticmethod
    def _refusal(terminal: Terminal, new: Transaction) -> str | None:
        if new.currency in _NO_CURRENCIES:
            return "CURRENCY_NOT_SUPPORTED"
        if new.amount == 0:
            return "AMOUNT_TOO_LOW"
        if new.amount > LARGEST:
            return "AMOUNT_TOO_HIGH"
        if terminal.out_of_order:
            return "TERMINAL_OUT_OF_ORDER"
        return None if terminal.current is None else "TERMINAL_BUSY"

    def read(self, serial: str, method: Method, transaction_id: str) -> Transaction:
        """One transaction of the device, by the platform's own id."""
        transaction = self.ledger.by_id(transaction_id)
        if transaction is None or transaction.method != method:
            raise PlatformError(404, "NOT_FOUND", "No such transaction")
        if transaction.device_id != serial:
            raise PlatformError(403, "FORBIDDEN", "This transaction belongs to another device")
        return transaction

    def cancel(
        self, serial: str, method: Method, transaction_id: str, body: Cancel, *, too_late: bool = False
    ) -> Transaction | None:
        """Stop a pending payment or void an approved one; the cancel's own transaction.

        With ``too_late`` a pending payment is not stopped although nobody says so: the answer is None (202).
        """
        target = self.read(serial, method, transaction_id)
        if self._dedup:
            for known in self.ledger.by_key(serial, method, body.client_transaction_id):
                if known.original != transaction_id:
                    raise PlatformError(409, "CONFLICT", "This key belongs to another transaction")
                known.creates += 1
                return known
        amount = self._cancellable(target, body.part)
        if not target.final and (too_late or target.unstoppable):
            target.unstoppable = True
            return None
        if target.final:
            target.authorised = (target.authorised or 0) - amount
            if target.authorised == 0:
                target.decline = ("MERCHANT_CANCELLED", "Cancelled by the merchant")
                target.move("CANCELLED", self._clock.now())
        else:
            self._stop(target, "MERCHANT_CANCELLED", "Cancelled by the merchant")
        cancel = Transaction(
            transaction_id=f"txn_{self._letters(20)}",
            key=body.client_transaction_id,
            device_id=serial,
            method=method,
            kind="CANCEL",
            amount=amount,
            currency=target.currency,
            original=target.transaction_id,
            authorised=amount,
        )
        cancel.heard = self._heard
        cancel.move("APPROVED", self._clock.now())
        cancel.first_answer = cancel.answer()
        self.ledger.add(cancel)
        return cancel

    @staticmethod
    def _cancellable(target: Transaction, part: PaymentAmount | None) -> int:
        """How much a cancel takes back."""
        if target.kind == "CANCEL":
            raise PlatformError(422, "CANCEL_NOT_ALLOWED", "A cancel cannot be cancelled")
        if target.status == "CANCELLED":
            raise PlatformError(422, "ALREADY_CANCELLED", "This payment is cancelled")
        if target.final and not target.approved:
            raise PlatformError(422, "CANCEL_NOT_ALLOWED", "This payment ended without approval")
        if target.captured:
            raise PlatformError(422, "ALREADY_CAPTURED", "This payment is captured")
        most = target.authorised if target.authorised is not None else target.amount
        if part is None:
            return most
        if part.currency != target.currency:
            raise PlatformError(422, "CURRENCY_NOT_SUPPORTED", "Another currency than the payment's")
        if part.amount > most:
            raise PlatformError(422, "AMOUNT_TOO_HIGH", "More than was paid")
        if part.amount == 0 or not target.final:
            raise PlatformError(
                422, "CANCEL_NOT_ALLOWED", "Only a part of an approved payment can be cancelled"
            )
        return part.amount

    def fence(self, serial: str, method: Method, body: Fence) -> Transaction | None:
        """The fencing cancel: stop what is pending under a key, never an approval, and let no create follow."""
        key = body.original_client_transaction_id
        self.ledger.fence(serial, method, key)
        found = [row for row in self.ledger.by_key(serial, method, key) if row.kind != "CANCEL"]
        for row in found:
            if not row.final:
                row.unstoppable = False
                self._stop(row, "FENCED", "Cancelled before approval")
        return next((row for row in found if row.approved), found[0] if found else None)

    def abort(self, serial: str, body: Abort, *, too_late: bool = False) -> None:
        """The wish to stop the named transaction at the terminal; ``too_late`` takes it and does nothing."""
        target = self.ledger.by_id(body.transaction_id)
        if target is None or target.device_id != serial:
            raise PlatformError(404, "NOT_FOUND", "No such transaction")
        if self.terminals[serial].current is not target:
            raise PlatformError(422, "NOT_RUNNING", "The terminal is not busy with this transaction")
        target.unstoppable = target.unstoppable or too_late
        if not target.unstoppable:
            self._stop(target, "TERMINAL_ABORTED", "Aborted at the terminal")

    def display(self, serial: str, body: Display) -> None:
        """Show something on a terminal: while it is busy, the code of that very payment and nothing else."""
        terminal = self.terminals[serial]
        if terminal.out_of_order:
            raise PlatformError(422, "TERMINAL_OUT_OF_ORDER", "The terminal is out of order")
        runs = terminal.current
        if runs is not None and (not runs.code or runs.code != body.qr_content):
            raise PlatformError(422, "TERMINAL_BUSY", "The terminal shows its own screen")
        needed = body.text if body.format == "TEXT" else body.qr_content
        if not needed:
            raise PlatformError(400, "BAD_REQUEST", "The body breaks the contract: nothing to show")
        terminal.screen = {"text": body.text, "content": body.qr_content}

    def find(self, serial: str, method: Method, key: str) -> list[Transaction]:
        """Every transaction of the device with this key."""
        return self.ledger.by_key(serial, method, key)

    def overturn(self, serial: str) -> None:
        """Approve the device's newest payment after a final no; ValueError if there is none."""
        row = self.ledger.newest(serial)
        if row is None or not row.final or row.approved:
            raise ValueError("no payment of that terminal ended without approval")
        row.authorised, row.decline, row.approval_code = row.amount, None, self._letters(6)
        row.move("APPROVED", self._clock.now())

    def _stop(self, target: Transaction, code: str, message: str) -> None:
        self.terminals[target.device_id].end(target, Ending("", "CANCELLED", code, message))

    def _letters(self, count: int) -> str:
        return "".join(self._random.choices(_ALPHABET, k=count))


def _png(content: str) -> str:
    image = BytesIO()
    segno.make_qr(content).save(image, kind="png", scale=4)
    return b64encode(image.getvalue()).decode("ascii")
