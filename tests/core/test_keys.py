"""R2: the idempotency key is fixed once, journalled in *asking*, and never computed again."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from nexo_bridge.core import keys
from nexo_bridge.policy import Terminal
from tests.core.playbook import answered, asked, found, open_for, paid, rang
from tests.core.words import ABSENT, LOST, POLICY, login, payment

FACTS = {
    "installation": "i",
    "environment": "e",
    "serial": "s",
    "sale_id": "T",
    "poi_id": "P",
    "category": "Payment",
    "service_id": "1",
    "digest": "d",
    "session": "",
    "role": "sale",
    "n": 0,
}


def test_r2_a_key_is_a_uuid_and_the_same_for_the_same_facts() -> None:
    key = keys.idempotency_key(**FACTS)  # type: ignore[arg-type]  # the table has the right types
    assert str(UUID(key)) == key
    assert keys.idempotency_key(**FACTS) == key  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("fact", FACTS)
def test_r2_every_fact_counts(fact: str) -> None:
    other = {**FACTS, fact: 1 if fact == "n" else "other"}
    assert keys.idempotency_key(**other) != keys.idempotency_key(**FACTS)  # type: ignore[arg-type]  # as above


def test_r2_facts_do_not_run_into_each_other() -> None:
    one, other = {**FACTS, "sale_id": "A|B", "poi_id": ""}, {**FACTS, "sale_id": "A", "poi_id": "B|"}
    assert keys.idempotency_key(**one) != keys.idempotency_key(**other)  # type: ignore[arg-type]  # as above


def test_r2_later_steps_have_keys_of_their_own() -> None:
    key = keys.idempotency_key(**FACTS)  # type: ignore[arg-type]  # as above
    made = {
        key,
        keys.derived(key, "cancel", 0),
        keys.derived(key, "cancel", 1),
        keys.derived(key, "refund", 0),
    }
    assert len(made) == 4


def test_r2_the_key_is_on_disk_before_the_call_and_inside_it() -> None:
    play = open_for() >> payment()
    (play << "look up") >> found
    play << "journal Received" << "journal Asking" << "call create_card"
    call, asking = play.calls[0], play.last["Asking"].body
    play.skip()
    assert call.key == asking["key"] == asking["body"]["client_transaction_id"]


def test_r2_recovery_reads_the_key_even_if_it_would_be_computed_otherwise_now() -> None:
    play = asked()
    key = play.key()
    changed = {**POLICY.terminals, "POI1": Terminal("POI1", "ANOTHER")}
    play.policy = replace(POLICY, installation="moved", environment="live", terminals=changed)
    play.restart().skip()

    assert play.calls[0].query == (("clientTransactionId", key),)


def test_r2_the_same_service_id_on_another_day_is_another_key() -> None:
    play = paid(payment(service="1", transaction="monday"))
    first = play.key()
    (play >> login()).skip()
    paid(payment(service="1", transaction="tuesday"), play)

    assert play.key() != first


def test_r2_two_shops_with_equal_numbers_have_different_keys() -> None:
    here, there = asked(), open_for(policy=replace(POLICY, installation="another"))
    asked(play=there)
    assert here.key() != there.key()


def test_r2_a_fence_has_one_key_however_often_it_is_sent() -> None:
    play = (asked() >> answered("create_card", LOST)).skip()
    for _ in range(3):
        play >> answered("find_card", ABSENT)
        play.skip()
        if "fence_card" not in [call.operation for call in play.calls]:
            (play >> rang("look")).skip()
    first = next(call for call in play.calls if call.operation == "fence_card")
    (play >> answered("fence_card", LOST)).skip()
    (play >> rang("fence")).skip()
    again = next(call for call in play.calls if call.operation == "fence_card")

    assert (first.key, first.body) == (again.key, again.body)
    assert first.key != play.key()
