from __future__ import annotations

import pytest

from nexo_bridge.sandbox.bodies import (
    Abort,
    Cancel,
    CreateCard,
    CreateQr,
    Display,
    Fence,
    Order,
    PaymentAmount,
)
from nexo_bridge.sandbox.clock import VirtualClock
from nexo_bridge.sandbox.ledger import Transaction
from nexo_bridge.sandbox.operations import LARGEST, Platform
from nexo_bridge.sandbox.terminals import Pace
from nexo_bridge.sandbox.wire import PlatformError

KEY = "6f1c1f0e-3a55-5c0e-9a53-0d1f8a1b2c3d"
OTHER = "00000000-0000-5000-8000-000000000002"
THINK = 10


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def platform(clock: VirtualClock) -> Platform:
    return _platform(clock)


def _platform(clock: VirtualClock, *, dedup: bool = False) -> Platform:
    return Platform(clock, Pace(think=THINK), {"POI00001": "S1", "POI00002": "S2"}, dedup=dedup, seed=1)


def _card(amount: int = 1250, key: str = KEY, currency: str = "EUR", kind: str = "SALE") -> CreateCard:
    return CreateCard.model_validate(
        {
            "clientTransactionId": key,
            "transactionType": kind,
            "captureMode": "AUTOMATIC",
            "paymentAmount": {"amount": amount, "currency": currency},
            "order": {"orderId": KEY, "orderDescription": "Sale 1"},
        }
    )


def _qr(scenario: str, scanned: str | None = None) -> CreateQr:
    body = {
        "paymentType": "KB",
        "paymentScenario": scenario,
        "clientTransactionId": KEY,
        "paymentAmount": {"amount": 2000, "currency": "EUR"},
        "order": Order(orderId=KEY, orderDescription="Sale 1"),
    }
    return CreateQr.model_validate(body | ({"scannedPaymentId": scanned} if scanned else {}))


def _cancel(amount: int | None = None, currency: str = "EUR") -> Cancel:
    if amount is None:
        return Cancel(clientTransactionId=OTHER)
    return Cancel(clientTransactionId=OTHER, paymentAmount=PaymentAmount(amount=amount, currency=currency))


def _fence(key: str = KEY) -> Fence:
    return Fence(clientTransactionId=OTHER, originalClientTransactionId=key)


def _approved(platform: Platform, clock: VirtualClock, amount: int = 1250) -> Transaction:
    sale, _ = platform.create_card("S1", _card(amount))
    clock.advance(THINK)
    return sale


def _code(refused: pytest.ExceptionInfo[PlatformError]) -> tuple[int, str]:
    return refused.value.status, refused.value.code


def test_one_transaction_at_a_time(platform: Platform, clock: VirtualClock) -> None:
    sale, new = platform.create_card("S1", _card())
    assert new
    with pytest.raises(PlatformError) as refused:
        platform.create_qr("S1", _qr("consumerscan"))
    assert _code(refused) == (422, "TERMINAL_BUSY")
    platform.create_card("S2", _card())
    clock.advance(THINK)
    assert sale.approved
    platform.create_card("S1", _card())
    assert len(platform.ledger.payments()) == 3


def test_a_repeat_is_a_second_charge_without_de_duplication(platform: Platform, clock: VirtualClock) -> None:
    _approved(platform, clock)
    _approved(platform, clock)
    assert [row["charges"] for row in platform.ledger.payments()] == [1, 1]
    assert len(platform.find("S1", "card", KEY)) == 2


def test_a_repeat_is_merged_with_de_duplication(clock: VirtualClock) -> None:
    platform = _platform(clock, dedup=True)
    sale, _ = platform.create_card("S1", _card())
    assert platform.create_card("S1", _card()) == (sale, False)
    clock.advance(THINK)
    assert platform.create_card("S1", _card()) == (sale, False)
    assert [(row["creates"], row["charges"]) for row in platform.ledger.payments()] == [(3, 1)]
    with pytest.raises(PlatformError) as refused:
        platform.create_card("S1", _card(9900))
    assert _code(refused) == (409, "CONFLICT")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (_card(0), "AMOUNT_TOO_LOW"),
        (_card(LARGEST + 1), "AMOUNT_TOO_HIGH"),
        (_card(currency="XXX"), "CURRENCY_NOT_SUPPORTED"),
        (_card(kind="REFUND"), "TRANSACTION_TYPE_NOT_ALLOWED"),
    ],
)
def test_creates_that_are_refused_leave_nothing(platform: Platform, body: CreateCard, code: str) -> None:
    with pytest.raises(PlatformError) as refused:
        platform.create_card("S1", body)
    assert _code(refused) == (422, code)
    assert platform.ledger.payments() == []
    assert platform.terminals["S1"].state == "IDLE"


def test_a_terminal_out_of_order_takes_nothing(platform: Platform) -> None:
    platform.terminals["S1"].out_of_order = True
    for call in (
        lambda: platform.create_card("S1", _card()),
        lambda: platform.display("S1", Display(format="TEXT", text="Hello")),
    ):
        with pytest.raises(PlatformError) as refused:
            call()
        assert _code(refused) == (422, "TERMINAL_OUT_OF_ORDER")


def test_the_code_is_shown_where_nothing_was_scanned(platform: Platform, clock: VirtualClock) -> None:
    shown, _ = platform.create_qr("S1", _qr("consumerscan"))
    assert shown.answer()["qrCode"]["content"] == platform.terminals["S1"].screen["content"]
    clock.advance(THINK)
    assert "qrCode" not in shown.answer()
    assert shown.answer()["paymentInstrument"] == {"brand": "KB", "entryMode": "SCANNED"}


@pytest.mark.parametrize("scenario", ["consumerscan", "merchantscan"])
def test_a_scanned_code_needs_none(platform: Platform, scenario: str) -> None:
    scanned, _ = platform.create_qr("S1", _qr(scenario, "2816"))
    assert "qrCode" not in scanned.answer()


def test_merchant_scan_without_a_code_is_refused(platform: Platform) -> None:
    with pytest.raises(PlatformError) as refused:
        platform.create_qr("S1", _qr("merchantscan"))
    assert _code(refused) == (422, "SCANNED_CODE_MISSING")


def test_reads_know_device_and_method(platform: Platform) -> None:
    sale, _ = platform.create_card("S1", _card())
    assert platform.read("S1", "card", sale.transaction_id) is sale
    for serial, method, code in (("S1", "qr", 404), ("S2", "card", 403)):
        with pytest.raises(PlatformError) as refused:
            platform.read(serial, method, sale.transaction_id)  # type: ignore[arg-type]  # parametrised by hand
        assert refused.value.status == code
    assert platform.find("S2", "card", KEY) == []


def test_cancelling_what_is_pending_stops_it(platform: Platform, clock: VirtualClock) -> None:
    sale, _ = platform.create_card("S1", _card())
    cancel = platform.cancel("S1", "card", sale.transaction_id, _cancel())
    assert cancel is not None
    assert (cancel.kind, cancel.status, cancel.original) == ("CANCEL", "APPROVED", sale.transaction_id)
    assert (sale.status, sale.decline) == ("CANCELLED", ("MERCHANT_CANCELLED", "Cancelled by the merchant"))
    assert platform.read("S1", "card", cancel.transaction_id) is cancel
    assert platform.find("S1", "card", OTHER) == [cancel]
    clock.advance(THINK)
    assert platform.ledger.payments()[0]["charges"] == 0


def test_cancelling_an_approval_voids_it(platform: Platform, clock: VirtualClock) -> None:
    sale = _approved(platform, clock)
    platform.cancel("S1", "card", sale.transaction_id, _cancel())
    assert sale.status == "CANCELLED"
    assert "approvalCode" not in sale.answer()
    assert platform.ledger.payments()[0]["charges"] == 0


def test_parts_are_cancelled_until_nothing_is_left(platform: Platform, clock: VirtualClock) -> None:
    sale = _approved(platform, clock)
    platform.cancel("S1", "card", sale.transaction_id, _cancel(250))
    assert (sale.status, sale.authorised) == ("APPROVED", 1000)
    with pytest.raises(PlatformError) as refused:
        platform.cancel("S1", "card", sale.transaction_id, _cancel(1001))
    assert _code(refused) == (422, "AMOUNT_TOO_HIGH")
    platform.cancel("S1", "card", sale.transaction_id, _cancel(1000))
    assert sale.status == "CANCELLED"


@pytest.mark.parametrize(
    ("body", "code"),
    [(_cancel(0), "CANCEL_NOT_ALLOWED"), (_cancel(1, "USD"), "CURRENCY_NOT_SUPPORTED")],
)
def test_parts_that_make_no_sense(platform: Platform, clock: VirtualClock, body: Cancel, code: str) -> None:
    sale = _approved(platform, clock)
    with pytest.raises(PlatformError) as refused:
        platform.cancel("S1", "card", sale.transaction_id, body)
    assert _code(refused) == (422, code)


def test_what_cannot_be_cancelled_any_more(platform: Platform, clock: VirtualClock) -> None:
    def refused(transaction: Transaction) -> tuple[int, str]:
        with pytest.raises(PlatformError) as error:
            platform.cancel("S1", "card", transaction.transaction_id, _cancel())
        return _code(error)

    declined = _approved(platform, clock, 1205)
    assert refused(declined) == (422, "CANCEL_NOT_ALLOWED")
    captured = _approved(platform, clock)
    platform.ledger.settle()
    assert refused(captured) == (422, "ALREADY_CAPTURED")
    voided = _approved(platform, clock)
    cancel = platform.cancel("S1", "card", voided.transaction_id, _cancel())
    assert refused(voided) == (422, "ALREADY_CANCELLED")
    assert cancel is not None
    assert refused(cancel) == (422, "CANCEL_NOT_ALLOWED")
    pending, _ = platform.create_card("S1", _card())
    with pytest.raises(PlatformError) as error:
        platform.cancel("S1", "card", pending.transaction_id, _cancel(1))
    assert _code(error) == (422, "CANCEL_NOT_ALLOWED")


def test_a_repeated_cancel_is_merged_with_de_duplication(clock: VirtualClock) -> None:
    platform = _platform(clock, dedup=True)
    sale = _approved(platform, clock)
    first = platform.cancel("S1", "card", sale.transaction_id, _cancel())
    assert platform.cancel("S1", "card", sale.transaction_id, _cancel()) is first
    other, _ = platform.create_card("S1", _card(key="00000000-0000-5000-8000-000000000009"))
    with pytest.raises(PlatformError) as refused:
        platform.cancel("S1", "card", other.transaction_id, _cancel())
    assert _code(refused) == (409, "CONFLICT")
    with pytest.raises(PlatformError) as refused:
        platform.create_card("S1", _card(key=OTHER))
    assert _code(refused) == (409, "CONFLICT")


def test_a_fence_before_the_create_refuses_it_for_good(platform: Platform) -> None:
    assert platform.fence("S1", "card", _fence()) is None
    assert platform.fence("S1", "card", _fence()) is None
    with pytest.raises(PlatformError) as refused:
        platform.create_card("S1", _card())
    assert _code(refused) == (409, "FENCED")
    platform.create_qr("S1", _qr("consumerscan"))
    platform.create_card("S2", _card())


def test_a_fence_stops_what_is_pending(platform: Platform, clock: VirtualClock) -> None:
    sale, _ = platform.create_card("S1", _card())
    assert platform.fence("S1", "card", _fence()) is sale
    assert (sale.status, sale.decline) == ("CANCELLED", ("FENCED", "Cancelled before approval"))
    assert platform.terminals["S1"].state == "IDLE"
    with pytest.raises(PlatformError) as refused:
        platform.create_card("S1", _card())
    assert _code(refused) == (409, "FENCED")


def test_a_fence_never_touches_an_approval(platform: Platform, clock: VirtualClock) -> None:
    sale = _approved(platform, clock)
    assert platform.fence("S1", "card", _fence()) is sale
    assert sale.status == "APPROVED"


def test_a_fence_shows_the_approval_among_doubled_creates(platform: Platform, clock: VirtualClock) -> None:
    platform.create_card("S1", _card())
    platform.terminals["S1"].release("decline")
    approved = _approved(platform, clock)
    platform.create_card("S1", _card())
    assert platform.fence("S1", "card", _fence()) is approved
    assert [row["status"] for row in platform.ledger.payments()] == ["DECLINED", "APPROVED", "CANCELLED"]


def test_an_abort_stops_the_named_payment_only(platform: Platform, clock: VirtualClock) -> None:
    first = _approved(platform, clock)
    running, _ = platform.create_card("S1", _card())
    for wrong, code in ((first.transaction_id, (422, "NOT_RUNNING")), ("txn_none", (404, "NOT_FOUND"))):
        with pytest.raises(PlatformError) as refused:
            platform.abort("S1", Abort(transactionId=wrong))
        assert _code(refused) == code
    with pytest.raises(PlatformError) as refused:
        platform.abort("S2", Abort(transactionId=running.transaction_id))
    assert _code(refused) == (404, "NOT_FOUND")
    platform.abort("S1", Abort(transactionId=running.transaction_id))
    assert (running.status, running.decline) == ("CANCELLED", ("TERMINAL_ABORTED", "Aborted at the terminal"))


def test_a_stop_that_comes_too_late_is_accepted_and_does_nothing(
    platform: Platform, clock: VirtualClock
) -> None:
    sale, _ = platform.create_card("S1", _card(1205))
    platform.abort("S1", Abort(transactionId=sale.transaction_id), too_late=True)
    platform.abort("S1", Abort(transactionId=sale.transaction_id))
    assert platform.cancel("S1", "card", sale.transaction_id, _cancel()) is None
    assert sale.status == "PENDING"
    clock.advance(THINK)
    assert sale.status == "APPROVED"


def test_a_fence_wins_even_then(platform: Platform) -> None:
    sale, _ = platform.create_card("S1", _card())
    platform.abort("S1", Abort(transactionId=sale.transaction_id), too_late=True)
    platform.fence("S1", "card", _fence())
    assert sale.status == "CANCELLED"


def test_a_terminal_shows_what_it_is_told_while_it_is_idle(platform: Platform) -> None:
    platform.display("S1", Display(format="QRCODE", qrContent="https://x", text="Scan"))
    assert platform.terminals["S1"].screen == {"text": "Scan", "content": "https://x"}
    with pytest.raises(PlatformError) as refused:
        platform.display("S1", Display(format="TEXT"))
    assert _code(refused) == (400, "BAD_REQUEST")
    platform.create_card("S1", _card())
    with pytest.raises(PlatformError) as refused:
        platform.display("S1", Display(format="TEXT", text="Hello"))
    assert _code(refused) == (422, "TERMINAL_BUSY")


def test_a_terminal_that_is_busy_shows_the_code_of_its_own_payment_and_nothing_else(
    platform: Platform,
) -> None:
    sale, _ = platform.create_qr("S1", _qr("consumerscan"))
    screen = platform.terminals["S1"].screen
    assert screen == {"content": sale.code}
    for other in (
        Display(format="TEXT", text="Hello"),
        Display(format="QRCODE", qrContent="https://another.example"),
    ):
        with pytest.raises(PlatformError) as refused:
            platform.display("S1", other)
        assert _code(refused) == (422, "TERMINAL_BUSY")
    platform.display("S1", Display(format="QRCODE", qrContent=sale.code, text="7.90 EUR"))
    assert platform.terminals["S1"].screen == {"content": sale.code, "text": "7.90 EUR"}


def test_a_seed_makes_the_same_ids(clock: VirtualClock) -> None:
    ids = {_platform(clock).create_card("S1", _card())[0].transaction_id for _ in range(2)}
    assert len(ids) == 1


def test_a_payment_that_ended_can_be_overturned_and_no_other(platform: Platform, clock: VirtualClock) -> None:
    with pytest.raises(ValueError, match="ended without approval"):
        platform.overturn("S1")
    sale, _ = platform.create_card("S1", _card(1205))
    with pytest.raises(ValueError, match="ended without approval"):
        platform.overturn("S1")
    clock.advance(THINK)
    assert sale.status == "DECLINED"
    platform.overturn("S1")
    assert (sale.status, sale.authorised, sale.decline) == ("APPROVED", 1205, None)
    with pytest.raises(ValueError, match="ended without approval"):
        platform.overturn("S1")
