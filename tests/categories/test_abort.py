from __future__ import annotations

from nexo_bridge.categories.abort import ABORT, plan
from nexo_bridge.categories.plan import StopExchange
from nexo_bridge.nexo import messages as nexo
from tests.categories.facts import facts
from tests.core.words import abort


def test_r6_an_abort_is_a_wish_about_a_message_and_has_no_answer() -> None:
    request = abort("7").message
    assert isinstance(request.body, nexo.AbortRequest)
    assert plan(request, request.body, facts()) == StopExchange(request.body.message_reference)
    assert ABORT.reply is None
    assert ABORT.sessionless
    assert ABORT.overlaps
