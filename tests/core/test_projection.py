"""Events as journal entries: read back equal, and shown as an allow-list."""

from __future__ import annotations

import json

import pytest

from nexo_bridge.core import projection
from nexo_bridge.core.journal import Stamp
from nexo_bridge.core.signals import (
    AlarmRang,
    Event,
    Found,
    JournalBroke,
    PlatformAnswered,
    PosGone,
    Reconfigured,
    ResolveAsked,
    Started,
    Stopping,
    Written,
)
from nexo_bridge.redaction import Secret
from tests.core.playbook import asked
from tests.core.words import (
    IDLE,
    LOST,
    NOT_SENT,
    POLICY,
    A,
    approved,
    event,
    payment,
    unreadable,
)
from tests.nexo.corpus import read, sample

STAMP = Stamp(7, 1.0, 2.0)
SECRET = Secret.seal("scannedPaymentId=4711", b"a key for tests")
PAYMENT = payment(acquirer_data=SECRET, device_id="9")
SIGNED = PAYMENT.model_copy(
    update={
        "message": PAYMENT.message.model_copy(
            update={"trailer": read(sample("payment-request-with-trailer"))[0].trailer}
        )
    }
)
EVENTS: tuple[tuple[Event, object], ...] = (
    (
        PAYMENT,
        {
            "connection": "A",
            "category": "Payment",
            "sale_id": "TILL",
            "poi_id": "POI1",
            "service_id": "1",
            "device_id": "9",
        },
    ),
    (
        unreadable(start=SECRET),
        {"connection": "A", "condition": "MessageFormat", "code": "NB-103", "at": "/SaleToPOIRequest"},
    ),
    (
        PlatformAnswered(exchange="X1", call="1.1", outcome=LOST),
        {"call": "1.1", "outcome": "unknown", "reason": LOST.reason},
    ),
    (
        PlatformAnswered(exchange="X1", call="1.1", outcome=NOT_SENT),
        {"call": "1.1", "outcome": "not_sent", "code": "CONNECT", "reason": NOT_SENT.reason},
    ),
    (
        PlatformAnswered(exchange="X1", call="1.1", outcome=approved("k")),
        {"call": "1.1", "outcome": "approved", "transaction_id": "pp-1", "status": "APPROVED"},
    ),
    (PlatformAnswered(exchange="X1", call="1.1", outcome=IDLE), {"call": "1.1", "outcome": "terminal_is"}),
    (
        event(approved("k")),
        {"event_id": "E1", "poiid": "POI1", "sequence": 0, "transaction_id": "pp-1", "status": "APPROVED"},
    ),
    (event(None), {"event_id": "E1", "poiid": "POI1", "sequence": 0}),
    (Found(exchange="X1", results=None), {"found": None}),
    (AlarmRang(exchange="X1", alarm="look"), {"alarm": "look"}),
    (Started(), {"open": 0}),
    (PosGone(source=A), {"connection": "A"}),
    (JournalBroke(reason="full"), {"reason": "full"}),
    (
        ResolveAsked(request=1, exchange="X1", paid=True, by="me", why="seen"),
        {"paid": True, "by": "me", "why": "seen"},
    ),
    (Reconfigured(policy=POLICY), {"terminals": ["POI1", "POI2", "QR"]}),
    (Written(exchange="X1"), {}),
    (Stopping(), {}),
)


@pytest.mark.parametrize(("event", "shown"), EVENTS, ids=lambda one: getattr(one, "name", ""))
def test_every_event_is_read_back_equal_and_shows_its_allow_list(
    event: Event, shown: dict[str, object]
) -> None:
    entry = projection.entry(STAMP, event)
    assert projection.read(entry) == event
    assert entry.kind == "input"
    assert {name: value for name, value in entry.public.items() if name in shown} == shown
    assert "4711" not in json.dumps([entry.body, entry.public])


def test_found_counts_and_a_mac_is_said_not_to_be_checked() -> None:
    histories = asked().journal.histories()
    found = Found(exchange="X1", results=(tuple(histories), ()))
    assert projection.public(found) == {"found": 2}
    assert projection.read(projection.entry(STAMP, found)) == found
    assert projection.public(SIGNED)["mac"] == "not checked"


def test_r14_what_was_put_right_is_shown_and_an_older_journal_has_none() -> None:
    event = payment().model_copy(update={"tolerated": {"missing-zone": 2}})
    entry = projection.entry(STAMP, event)
    assert entry.public["tolerated"] == {"missing-zone": 2}
    assert projection.read(entry) == event
    assert "tolerated" not in projection.public(payment())
    older = projection.entry(STAMP, payment())
    del older.body["tolerated"]
    assert projection.read(older) == payment()
