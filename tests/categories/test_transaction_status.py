from __future__ import annotations

import pytest

from nexo_bridge.categories.plan import ReportOn
from nexo_bridge.categories.transaction_status import REPEATABLE, TRANSACTION_STATUS, found, plan
from nexo_bridge.nexo import messages as nexo
from nexo_bridge.nexo.messages import MessageReference
from tests.categories.facts import facts
from tests.core.words import payment, status


@pytest.mark.parametrize("of", [None, "7"])
def test_r9_a_question_about_a_message_or_the_last_one(of: str | None) -> None:
    request = status(of).message
    assert isinstance(request.body, nexo.TransactionStatusRequest)
    assert plan(request, request.body, facts()) == ReportOn(request.body.message_reference)
    assert TRANSACTION_STATUS.sessionless
    assert TRANSACTION_STATUS.overlaps


def test_r9_only_what_a_repeated_response_can_carry_is_repeated() -> None:
    assert frozenset({"Payment"}) == REPEATABLE
    with pytest.raises(AssertionError):
        found(MessageReference(), payment().message.header, nexo.LogoutRequest())
