"""Calls are built from what was journalled and from nothing else (R2, R6)."""

from __future__ import annotations

import pytest

from nexo_bridge.core import calls
from nexo_bridge.core.decisions import Asking
from nexo_bridge.ppaas.models import DisplayBody
from nexo_bridge.ppaas.operations import OPERATIONS, Call

CARD = Asking(
    role="sale",
    key="6f0c5d0e-6a0b-5c57-9c1e-0d6f6b7a2b11",
    poiid="POI1",
    serial="SER1",
    operation="create_card",
    body={},
    amount=1,
    currency="EUR",
    read="read_card",
    find="find_card",
    fence="fence_card",
    stop="terminal_abort",
)
QR = CARD.model_copy(
    update={
        "operation": "create_qr",
        "read": "read_qr",
        "find": "find_qr",
        "fence": "fence_qr",
        "stop": "cancel_qr",
    }
)
ALL = [
    make(step)
    for step in (CARD, QR)
    for make in (
        lambda step: calls.look(step, None),
        lambda step: calls.look(step, "pp-1"),
        calls.fence,
        lambda step: calls.stop(step, "pp-1"),
        calls.status,
        lambda step: calls.display(step, DisplayBody(format="TEXT", text="hello")),
    )
]


@pytest.mark.parametrize("call", ALL, ids=lambda call: call.operation)
def test_every_call_is_a_row_of_the_table_with_its_body_and_its_placeholders(call: Call) -> None:
    row = OPERATIONS[call.operation]
    assert row.target(call.path, call.query).startswith("/")
    assert row.body is (type(call.body) if call.body is not None else None)
    assert not row.creates
    assert (call.poiid, call.serial) == ("POI1", "SER1")
    command = calls.command("X1", "1.1", call)
    assert (command.exchange, command.call, command.operation) == ("X1", "1.1", call.operation)
    assert (dict(command.path), dict(command.query)) == (call.path, call.query)
    assert (command.poiid, command.serial, command.key) == (call.poiid, call.serial, call.key)


def test_r2_keys_are_inside_the_bodies_that_have_one() -> None:
    fence, cancel = calls.fence(CARD), calls.stop(QR, "pp-1")
    assert fence.body is not None
    assert cancel.body is not None
    assert fence.body.model_dump()["client_transaction_id"] == fence.key
    assert fence.body.model_dump()["original_client_transaction_id"] == CARD.key
    assert cancel.body.model_dump()["client_transaction_id"] == cancel.key
