from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nexo_bridge.runtime.settings_sections import Brand, Deadlines, Journal, Platform, Pos, ordered

NAMES = ("platform_limit", "customer_time", "answer_by", "pos_timeout")


@given(st.tuples(*(st.floats(0.5, 3600) for _ in NAMES)))
def test_deadlines_are_accepted_exactly_when_they_rise(seconds: tuple[float, ...]) -> None:
    rising = all(lower < upper for lower, upper in pairwise(seconds))
    try:
        Deadlines(**dict(zip(NAMES, seconds, strict=True)))
    except ValidationError:
        accepted = False
    else:
        accepted = True

    assert accepted == rising


@pytest.mark.parametrize("seconds", [0, -1, 3601, float("inf"), float("nan")])
def test_a_deadline_is_a_time_somebody_could_wait(seconds: float) -> None:
    with pytest.raises(ValidationError):
        Deadlines(pos_timeout=seconds)


def test_equal_values_are_in_order_unless_strictly() -> None:
    ordered("table", {"a": 1, "b": 1})
    with pytest.raises(ValueError, match=r"table\.a \(1\) must be less than table\.b \(1\)"):
        ordered("table", {"a": 1, "b": 1}, strictly=True)


def test_repeats_are_recognised_for_a_week_at_least() -> None:
    with pytest.raises(ValidationError):
        Journal(path="journal.sqlite", keep_answers=6)


def test_a_qr_brand_may_leave_the_method_to_the_terminal() -> None:
    assert Brand(method="qr").payment_type is None


def test_a_mode_is_one_of_the_two() -> None:
    assert [Pos.model_validate({"mode": mode}).mode for mode in ("strict", "tolerant")] == [
        "strict",
        "tolerant",
    ]
    with pytest.raises(ValidationError):
        Pos.model_validate({"mode": "lenient"})


@pytest.mark.parametrize(
    "proxy",
    [
        "proxy:3128",
        "https://proxy:3128",
        "http://proxy",
        "http://u:p@proxy:1",
        "http://p:1/x",
        "http://p:x",
        "socks5://p:1",
    ],
)
def test_a_proxy_is_a_host_and_a_port(proxy: str) -> None:
    base = "https://api.example"
    bases = {"auth": base, "device_auth": base, "api": base, "device_api": base}
    with pytest.raises(ValidationError, match="write http://HOST:PORT"):
        Platform.model_validate({"environment": "demo", **bases, "proxy": proxy})
    good = Platform.model_validate({"environment": "demo", **bases, "proxy": "http://proxy:3128/"})
    assert good.proxy == "http://proxy:3128"
