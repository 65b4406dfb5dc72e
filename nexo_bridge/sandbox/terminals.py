"""Terminals, and the cardholders in front of them who take their time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from nexo_bridge.sandbox.clock import Clock, Timer
from nexo_bridge.sandbox.endings import APPROVED, CHOICES, EXPIRED, Ending, ending_of
from nexo_bridge.sandbox.ledger import Transaction

State = Literal["IDLE", "BUSY", "OUT_OF_ORDER"]

_STAGES = {
    "card": ((0.5, "CARD_PRESENTED"), (0.7, "PIN_ENTRY"), (0.9, "AUTHORISING")),
    "qr": ((0.5, "SCANNED"), (0.9, "AUTHORISING")),
}
"""Share of the cardholder's time after which a stage begins."""


@dataclass(slots=True)
class Pace:
    """How long things take, in seconds; shared by all terminals and changeable while they run.

    Attributes:
        think: what a cardholder takes from the create to the ending.
        limit: after this the platform gives up: EXPIRED.
    """

    think: float = 1.0
    limit: float = 60.0


class Terminal:
    """One terminal and whoever stands before it. Handles one transaction at a time."""

    def __init__(
        self, poiid: str, serial: str, clock: Clock, pace: Pace, approval_code: Callable[[], str]
    ) -> None:
        self.poiid = poiid
        self.serial = serial
        self.out_of_order = False
        self.screen: dict[str, str] = {}
        self.current: Transaction | None = None
        self.held = False
        self._clock = clock
        self._pace = pace
        self._approval_code = approval_code
        self._steps: list[Timer] = []
        self._expiry: Timer | None = None

    @property
    def state(self) -> State:
        """What the terminal says of itself."""
        if self.out_of_order:
            return "OUT_OF_ORDER"
        return "IDLE" if self.current is None else "BUSY"

    def begin(self, transaction: Transaction) -> None:
        """Ask the cardholder to pay; the terminal must be idle."""
        assert self.current is None
        self.current = transaction
        self.show(transaction)
        self._expiry = self._clock.call_later(self._pace.limit, lambda: self.end(transaction, EXPIRED))
        if not self.held and not transaction.provided:
            self._think(transaction)

    def show(self, transaction: Transaction) -> None:
        """Put the code of what runs here on the screen, if it has one."""
        if self.current is transaction:
            self.screen = {"content": transaction.code} if transaction.code else {}

    def stage(self, transaction: Transaction, status: str) -> None:
        """The customer gets on with ``transaction``."""
        transaction.presented = True
        transaction.move(status, self._clock.now())

    def hold(self) -> None:
        """Make this cardholder, and the next ones, wait for ``release``."""
        self.held = True
        self._stand_still()

    def release(self, choice: str | None = None) -> None:
        """End ``hold``; who waits acts at once: by the amount, or by ``choice`` (``approve|decline|cancel``).

        Raises:
            ValueError: no such choice.
        """
        if choice is not None and choice not in CHOICES:
            raise ValueError(f"a cardholder can {', '.join(CHOICES)}, not {choice!r}")
        self.held = False
        if self.current is not None:
            self.end(self.current, CHOICES[choice] if choice else ending_of(self.current.amount))

    def end(self, transaction: Transaction, ending: Ending) -> None:
        """Finish ``transaction`` if it still runs here, and be free for the next."""
        if self.current is not transaction:
            return
        if transaction.unstoppable:
            ending = APPROVED
        transaction.authorised = ending.authorised(transaction.amount)
        if transaction.authorised is None:
            transaction.decline = (ending.code, ending.message)
        else:
            transaction.presented = True
            transaction.approval_code = self._approval_code()
        if transaction.authorised != transaction.amount:
            transaction.tip = transaction.cashback = 0
        transaction.move(ending.status, self._clock.now())
        self._stand_still()
        if self._expiry is not None:
            self._expiry.cancel()
        self.current = None
        self.screen = {}

    def _think(self, transaction: Transaction) -> None:
        seconds = self._pace.think + ending_of(transaction.amount).extra_seconds
        for share, status in _STAGES[transaction.method]:
            stage = partial(self.stage, transaction, status)
            self._steps.append(self._clock.call_later(seconds * share, stage))
        end = partial(self._act, transaction)
        self._steps.append(self._clock.call_later(seconds, end))

    def _act(self, transaction: Transaction) -> None:
        self.end(transaction, ending_of(transaction.amount))

    def _stand_still(self) -> None:
        for step in self._steps:
            step.cancel()
        self._steps.clear()
