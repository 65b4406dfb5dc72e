"""R1: five states, three marks, one table; and what a restart does in each of them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from nexo_bridge.core import decisions as did
from nexo_bridge.core.exchange import MARKS, NEXT, Exchange, IllegalStepError, State, advance, fold
from nexo_bridge.core.journal import History
from nexo_bridge.core.source import Source
from tests.core.playbook import Play, answered, asked, found, named, open_for, rang, reread, told, written
from tests.core.words import LOST, abort, approved, declined, payment, pending, status

SETTLED = did.Settled(result="Success", status="APPROVED", answer="<x/>")
DECISIONS: tuple[did.Decision, ...] = (
    did.Received(
        request={},
        version="3.1",
        digest="d",
        session="S1",
        category="Payment",
        sale_id="T",
        poi_id="P",
        service_id="1",
    ),
    did.Asking(
        role="sale",
        key="k",
        poiid="P",
        serial="s",
        operation="create_card",
        body={},
        amount=1,
        currency="EUR",
        read="read_card",
        find="find_card",
        fence="fence_card",
        stop="terminal_abort",
    ),
    did.Acknowledged(transaction_id="pp-1"),
    did.Wished(by="pos"),
    did.Fenced(),
    did.Parked(),
    did.Resolved(paid=True, by="me", why="seen"),
    SETTLED,
    did.Delivered(),
    did.Disagreed(status="APPROVED"),
    did.LoggedIn(sale_id="T", poi_id="P", version="3.1"),
    did.LoggedOut(),
    did.Joined(source=Source("mqtt", "here", address="there")),
    did.Undelivered(),
)
ROAD = {
    None: (),
    State.RECEIVED: (0,),
    State.ASKING: (0, 1),
    State.ACKNOWLEDGED: (0, 1, 2),
    State.SETTLED: (0, 1, 2, 7),
    State.DELIVERED: (0, 1, 2, 7, 8),
}
"""How each state is reached, by places in ``DECISIONS``."""

ALLOWED = {
    None: "Received",
    State.RECEIVED: "Asking Settled Wished Joined",
    State.ASKING: "Acknowledged Settled Wished Fenced Parked Joined Resolved",
    State.ACKNOWLEDGED: "Settled Wished Parked Joined Resolved",
    State.SETTLED: "Delivered Undelivered Disagreed",
    State.DELIVERED: "Delivered Disagreed",
}
"""Rule R1 once more in other words, so that a slip in either table shows."""


def at(state: State | None) -> Exchange | None:
    exchange = None
    for place in ROAD[state]:
        exchange = advance(exchange, DECISIONS[place], id="X1", wall=1.0)
    return exchange


@pytest.mark.parametrize(
    ("state", "decision"),
    list(product(ROAD, DECISIONS)),
    ids=lambda one: one.name if isinstance(one, did.Decision) else str(one and one.value),
)
def test_r1_what_is_not_in_the_table_is_refused_by_name(state: State | None, decision: did.Decision) -> None:
    exchange = at(state)
    if decision.name in ALLOWED[state].split():
        after = advance(exchange, decision, id="X1", wall=1.0)
        assert after.state is NEXT.get((state, type(decision)), state)
    else:
        with pytest.raises(IllegalStepError) as refused:
            advance(exchange, decision, id="X1", wall=1.0)
        where = state.value if state else "none"
        assert str(refused.value) == f"{decision.name} is not possible in state {where}"


def test_r1_the_tables_know_five_states_and_three_marks() -> None:
    assert set(NEXT.values()) == set(State)
    assert {did.Wished, did.Fenced, did.Parked} <= set(MARKS)


def test_r1_no_row_leads_from_the_end_back_to_work() -> None:
    ended = {State.SETTLED, State.DELIVERED}
    assert {after for (before, _), after in NEXT.items() if before in ended} <= ended


def test_r1_a_decision_begins_an_exchange_only_if_the_table_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second belt: a row too many in the table does not make an exchange without a request."""
    rows: dict[Any, State] = {**NEXT, (None, did.Asking): State.ASKING}
    monkeypatch.setattr("nexo_bridge.core.exchange.NEXT", rows)
    with pytest.raises(IllegalStepError):
        advance(None, DECISIONS[1], id="X1", wall=1.0)


def test_r1_two_wishes_leave_the_first() -> None:
    once = advance(at(State.ASKING), did.Wished(by="pos", service_id="7"), id="X1", wall=1.0)
    again = advance(once, did.Wished(by="deadline"), id="X1", wall=2.0)
    assert again.wished == did.Wished(by="pos", service_id="7")


def test_r1_a_history_without_decisions_is_no_exchange() -> None:
    with pytest.raises(ValueError, match="X9 has no decisions"):
        fold(History("X9", ()))


def test_r1_what_people_see_of_an_exchange_names_its_state_and_nothing_of_the_customer() -> None:
    exchange = at(State.ASKING)
    assert exchange is not None
    assert exchange.shown()["state"] == "asking"
    assert advance(exchange, did.Parked(), id="X1", wall=1.0).shown()["state"] == "parked"
    assert at(State.RECEIVED).shown()["key"] is None  # type: ignore[union-attr]  # just made


# -- after a restart ---------------------------------------------------------------------------------------------


def test_r1_received_before_a_restart_is_settled_at_once_as_not_started() -> None:
    play = asked().restart(kept=2)  # LoggedIn, Received

    play << "journal Settled" << "forget"
    settled = play.last["Settled"].body
    assert (settled["result"], settled["condition"], settled["code"]) == ("Failure", "Busy", "NB-315")
    assert "new ServiceID" in settled["answer"]
    assert not play.calls


def test_r1_received_and_stopped_before_a_restart_was_stopped() -> None:
    play = open_for() >> payment()
    play << "look up"
    (play >> abort(of="1")).skip()
    (play >> found).skip()
    play.restart(kept=3)  # LoggedIn, Received, Wished

    play << "journal Settled" << "forget"
    assert play.last["Settled"].body["condition"] == "Aborted"


def test_r1_asking_before_a_restart_is_looked_for_by_key_and_never_asked_again() -> None:
    play = asked()
    key = play.key()
    play.restart()

    play << "wake customer_time +75" << "wake answer_by +100" << "call find_card"
    assert play.calls[0].query == (("clientTransactionId", key),)


def test_r1_acknowledged_before_a_restart_is_read_by_its_transaction_id() -> None:
    play = named().restart()

    play << "wake customer_time +75" << "wake answer_by +100" << "call read_card"
    assert play.calls[0].path == (("transactionId", "pp-1"),)


def test_r1_settled_before_a_restart_is_kept() -> None:
    play = (asked() >> answered("create_card", approved)).skip().restart()

    assert play.silent
    play >> status(of="1") << "look up"
    play >> found << "reply Success"


def test_r1_a_fence_that_may_be_lost_is_sent_again_after_a_restart_without_a_new_decision() -> None:
    play = (asked() >> answered("create_card", LOST)).skip()
    (play >> abort()).skip()
    play.restart()

    play << "wake answer_by +100" << "call fence_card" << "call find_card"


def test_r1_a_parked_exchange_stays_parked_and_asks_whether_the_terminal_is_free() -> None:
    play = (asked() >> answered("create_card", LOST)).skip()
    (play >> rang("answer_by")).skip()
    play.restart()

    play << "wake customer_time -25" << "call find_card" << "call terminal_status"


STORY = ["LoggedIn", "Received", "Asking", "Wished", "Fenced", "Parked", "Acknowledged"]


def end(play: Play) -> str:
    """Take what is open to its end: the platform says approved to every question."""
    for _ in range(40):
        if play.pending:
            play.skip()
        if play.calls:
            call = play.calls[0]
            assert call.operation != "create_card", "a create is never sent again"
            said: dict[str, Any] = {"terminal_abort": LOST, "fence_card": pending}
            play >> answered(call.operation, said.get(call.operation, approved))
        elif play.lookups:
            play >> found
        elif any(name == "look" for _, name in play.alarms):
            play >> rang("look")
    play.skip()
    ends = [one.body["condition"] or one.body["result"] for one in play.journal.decisions() if one.settles]
    return " ".join(ends)


def story() -> Play:
    """A payment with everything: lost answer, an abort, a fence, its name, the stop."""
    play = (asked() >> answered("create_card", LOST)).skip()
    (play >> abort()).skip()
    (play >> rang("answer_by")).skip()
    (play >> answered("fence_card", pending)).skip()
    (play >> answered("find_card", pending)).skip()
    (play >> answered("terminal_abort", LOST)).skip()
    assert play.events == STORY
    return play


@pytest.mark.parametrize("kept", range(1, len(STORY) + 1))
def test_r1_recovery_from_every_prefix_of_the_decisions_ends_in_one_certain_answer(kept: int) -> None:
    play = story().restart(kept=kept).skip()

    ending = "" if kept == 1 else "Busy" if kept == 2 else "Success"
    assert end(play) == ending


@pytest.mark.parametrize("kept", range(1, len(STORY) + 1))
def test_i10_recovering_twice_is_recovering_once(kept: int) -> None:
    once, twice = story(), story()
    once.restart(kept=kept)
    first = [told(one, once.now) for one in once.pending]
    calls = [(call.operation, call.key, call.path, call.query) for call in once.calls]
    twice.restart(kept=kept).skip()
    twice.restart()
    second = [told(one, twice.now) for one in twice.pending]

    if "journal Settled" in first:  # what was only received ends with the first recovery
        assert second == []
    else:
        assert second == first
        assert [(call.operation, call.key, call.path, call.query) for call in twice.calls] == calls


def test_r1_a_second_reading_of_the_journal_keeps_who_waits() -> None:
    play = named()
    (play >> reread).skip()
    play >> answered("read_card", declined)
    play << "journal Settled" << "reply Failure/Refusal"
    play >> written << "journal Delivered" << "forget"
