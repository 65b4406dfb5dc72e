from __future__ import annotations

from typing import Literal

import pytest

from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.endings import EXPIRED
from nexo_bridge.sandbox.ledger import Transaction
from nexo_bridge.sandbox.terminals import Pace, Terminal


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def terminal(clock: VirtualClock) -> Terminal:
    return Terminal("POI00001", "S1", clock, Pace(think=10, limit=60), lambda: "A1B2C3")


def _sale(amount: int = 1250, method: Literal["card", "qr"] = "card") -> Transaction:
    return Transaction("txn_1", "KEY", "S1", method, "SALE", amount, "EUR", tip=100)


def test_a_card_payment_takes_its_time(clock: VirtualClock, terminal: Terminal) -> None:
    sale = _sale()
    terminal.begin(sale)
    seen = []
    for _ in range(10):
        clock.advance(1)
        seen.append(sale.status)
    assert list(dict.fromkeys(seen)) == ["PENDING", "CARD_PRESENTED", "PIN_ENTRY", "AUTHORISING", "APPROVED"]
    assert (sale.authorised, sale.tip, sale.approval_code) == (1250, 100, "A1B2C3")
    assert terminal.state == "IDLE"


def test_a_qr_payment_has_its_own_stages(clock: VirtualClock, terminal: Terminal) -> None:
    sale = _sale(method="qr")
    sale.qr_code = {"content": "https://pay"}
    terminal.begin(sale)
    assert terminal.screen == {"content": "https://pay"}
    clock.advance(5)
    assert sale.status == "SCANNED"
    clock.advance(5)
    assert sale.status == "APPROVED"
    assert terminal.screen == {}


def test_half_is_approved_without_tip(clock: VirtualClock, terminal: Terminal) -> None:
    sale = _sale(1010)
    terminal.begin(sale)
    clock.advance(10)
    assert (sale.status, sale.authorised, sale.tip) == ("PARTIALLY_APPROVED", 505, 0)


def test_a_slow_customer_takes_thirty_seconds_longer(clock: VirtualClock, terminal: Terminal) -> None:
    sale = _sale(1062)
    terminal.begin(sale)
    clock.advance(39)
    assert not sale.final
    clock.advance(1)
    assert sale.approved


def test_nobody_pays_in_time(clock: VirtualClock, terminal: Terminal) -> None:
    sale = _sale()
    terminal.hold()
    terminal.begin(sale)
    clock.advance(59)
    assert sale.status == "PENDING"
    clock.advance(1)
    assert (sale.status, sale.decline) == ("EXPIRED", ("TIMEOUT", "Nobody paid in time"))
    assert terminal.state == "IDLE"


@pytest.mark.parametrize(
    ("choice", "status"),
    [(None, "DECLINED"), ("approve", "APPROVED"), ("decline", "DECLINED"), ("cancel", "CANCELLED")],
)
def test_a_held_cardholder_acts_on_release(
    clock: VirtualClock, terminal: Terminal, choice: str | None, status: str
) -> None:
    sale = _sale(1205)
    terminal.begin(sale)
    clock.advance(5)
    terminal.hold()
    clock.advance(20)
    assert sale.status == "CARD_PRESENTED"
    terminal.release(choice)
    assert sale.status == status
    clock.advance(100)
    assert sale.status == status


def test_a_hold_lasts_over_payments_until_released(clock: VirtualClock, terminal: Terminal) -> None:
    terminal.hold()
    first, second = _sale(), _sale()
    terminal.begin(first)
    terminal.end(first, EXPIRED)
    terminal.begin(second)
    clock.advance(20)
    assert not second.final
    terminal.release()
    third = _sale()
    terminal.begin(third)
    clock.advance(10)
    assert third.approved


def test_releasing_nobody_is_harmless(terminal: Terminal) -> None:
    terminal.release()
    with pytest.raises(ValueError, match="a cardholder can approve, decline, cancel, not 'run'"):
        terminal.release("run")


def test_what_is_over_stays_over(clock: VirtualClock, terminal: Terminal) -> None:
    first, second = _sale(), _sale()
    terminal.begin(first)
    clock.advance(10)
    terminal.begin(second)
    terminal.end(first, EXPIRED)
    assert first.status == "APPROVED"
    assert terminal.current is second


def test_a_payment_that_cannot_be_stopped_is_approved(clock: VirtualClock, terminal: Terminal) -> None:
    sale = _sale(1205)
    terminal.begin(sale)
    sale.unstoppable = True
    clock.advance(10)
    assert sale.approved


def test_out_of_order_is_what_it_says_first(terminal: Terminal) -> None:
    terminal.begin(_sale())
    states = [terminal.state]
    terminal.out_of_order = True
    states.append(terminal.state)
    assert states == ["BUSY", "OUT_OF_ORDER"]
