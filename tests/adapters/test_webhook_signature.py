from __future__ import annotations

import hmac

import pytest

from nexo_bridge.adapters import webhook_signature
from nexo_bridge.adapters.webhook_signature import ForgedError, Signatures

SECRET, NOW, BODY = b"k" * 32, 1_800_000_000.0, b'{"eventId":"evt_1"}'


def signed(body: bytes = BODY, *, at: float = NOW, secret: bytes = SECRET) -> tuple[str, str]:
    timestamp = str(int(at * 1000))
    return timestamp, "v1=" + hmac.digest(secret, timestamp.encode() + b"." + body, "sha256").hex()


def test_what_the_platform_signs_is_taken_once() -> None:
    signatures = Signatures(SECRET, 300)
    timestamp, signature = signed()
    signatures.take(timestamp, signature, BODY, NOW)

    with pytest.raises(ForgedError, match="replayed"):
        signatures.take(timestamp, signature, BODY, NOW + 1)
    signatures.take(*signed(at=NOW + 0.001), BODY, NOW + 1)


def test_what_was_not_served_may_come_again() -> None:
    signatures = Signatures(SECRET, 300)
    taken = signatures.take(*signed(), BODY, NOW)
    signatures.release(taken)

    assert signatures.take(*signed(), BODY, NOW + 1) == taken


@pytest.mark.parametrize("off", [-301, 301])
def test_outside_the_window_nothing_is_taken(off: float) -> None:
    with pytest.raises(ForgedError, match="window"):
        Signatures(SECRET, 300).take(*signed(at=NOW + off), BODY, NOW)


@pytest.mark.parametrize("off", [-300, 300])
def test_inside_it_either_clock_may_be_wrong(off: float) -> None:
    Signatures(SECRET, 300).take(*signed(at=NOW + off), BODY, NOW)


@pytest.mark.parametrize(
    ("timestamp", "signature"),
    [
        ("", ""),
        (signed()[0], ""),
        (signed()[0], signed()[1].removeprefix("v1=")),
        (signed()[0], signed()[1].upper()),
        (signed()[0], signed()[1] + "00"),
        (signed()[0], "v1=" + "é" * 64),
        ("-1", signed()[1]),
        ("1" * 17, signed()[1]),
        ("\u0661" * 13, signed()[1]),
    ],
)
def test_what_is_not_signed_is_refused(timestamp: str, signature: str) -> None:
    with pytest.raises(ForgedError, match="not signed"):
        Signatures(SECRET, 300).take(timestamp, signature, BODY, NOW)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (signed(secret=b"o" * 32), BODY),
        (signed(), BODY + b" "),
        ((signed()[0][:-1] + "1", signed()[1]), BODY),
    ],
)
def test_another_secret_body_or_time_is_a_forgery(headers: tuple[str, str], body: bytes) -> None:
    with pytest.raises(ForgedError, match="wrong"):
        Signatures(SECRET, 300).take(*headers, body, NOW)


def test_a_forgery_uses_nothing_up() -> None:
    signatures = Signatures(SECRET, 300)
    timestamp, signature = signed()
    with pytest.raises(ForgedError):
        signatures.take(timestamp, signature, BODY + b"x", NOW)

    signatures.take(timestamp, signature, BODY, NOW)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_signature, "MOST_REMEMBERED", 10)
    signatures = Signatures(SECRET, 300)
    for number in range(100):
        signatures.take(*signed(at=NOW + number / 1000), BODY, NOW)

    assert len(signatures._used) <= 10


def test_what_the_window_refuses_need_not_be_remembered() -> None:
    signatures = Signatures(SECRET, 10)
    signatures.take(*signed(at=NOW + 10), BODY, NOW)
    with pytest.raises(ForgedError, match="replayed"):
        signatures.take(*signed(at=NOW + 10), BODY, NOW + 20)
    signatures.take(*signed(at=NOW + 30), BODY, NOW + 30)

    assert len(signatures._used) == 1
