from __future__ import annotations

from nexo_bridge.categories.logout import LOGOUT, plan
from nexo_bridge.categories.plan import CloseSession
from nexo_bridge.nexo import messages as nexo
from tests.categories.facts import facts
from tests.core.words import logout


def test_a_session_ends_and_only_where_there_is_one() -> None:
    made = plan(logout().message, nexo.LogoutRequest(), facts())
    assert made == CloseSession(nexo.LogoutResponse(response=nexo.Response(result="Success")))
    assert not LOGOUT.sessionless
