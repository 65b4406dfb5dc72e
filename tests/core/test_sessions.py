"""Sessions per SaleID and POIID."""

from __future__ import annotations

from nexo_bridge.categories.plan import Session
from nexo_bridge.core.sessions import Sessions, session_in
from tests.core.playbook import asked


def test_a_session_replaces_the_pairs_former_one_and_no_other() -> None:
    sessions = Sessions()
    for number, (sale, poi) in enumerate([("B", "P"), ("A", "P"), ("A", "Q"), ("A", "P")]):
        sessions.put(Session(f"S{number}", sale, poi, "3.1"))
    assert sessions.logged_in("P") == ("A", "B")
    last = sessions.get("A", "P")
    assert last is not None
    assert last.id == "S3"
    sessions.drop(last)
    sessions.drop(last)
    assert sessions.logged_in("P") == ("B",)
    sessions.clear()
    assert sessions.logged_in("P") == ()


def test_a_history_is_a_sessions_or_not() -> None:
    login, payment = asked().journal.histories()
    session = session_in(login)
    assert session is not None
    assert (session.sale_id, session.poi_id, session.version) == ("TILL", "POI1", "3.1")
    assert session_in(payment) is None
