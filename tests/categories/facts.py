"""Facts of an ordinary day, for tests of the categories."""

from __future__ import annotations

from typing import Any

from nexo_bridge.categories.plan import Facts, Session
from nexo_bridge.core.signals import Arrived
from nexo_bridge.nexo import messages as nexo
from tests.core.words import POLICY

KEY = "6f0c5d0e-6a0b-5c57-9c1e-0d6f6b7a2b11"


def facts(poi: str = "POI1", **more: Any) -> Facts:
    known: dict[str, Any] = {
        "now": 1_700_000_000.0,
        "reference": "0b1c2d3e-X1",
        "policy": POLICY,
        "terminal": POLICY.terminals.get(poi),
        "session": Session("S1", "TILL", poi, "3.1", more.pop("capabilities", ())),
        "key": KEY,
    }
    return Facts(**(known | more))


def body_of(arrived: Arrived) -> nexo.PaymentRequest:
    body = arrived.message.body
    assert isinstance(body, nexo.PaymentRequest)
    return body
