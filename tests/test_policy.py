from __future__ import annotations

from dataclasses import replace

from nexo_bridge.policy import Deadlines, SalePolicy
from tests.core.words import POLICY


def test_r5_deadlines_rise_in_their_order() -> None:
    one = Deadlines()
    order = [one.platform_limit, one.customer_time, one.answer_by, one.pos_timeout]
    assert order == sorted(order)
    assert len(set(order)) == 4


def test_a_pos_has_its_own_policy_or_everybodys() -> None:
    own = SalePolicy(on_unknown="answer")
    policy = replace(POLICY, sales={"TILL": own})
    assert policy.sale("TILL") is own
    assert policy.sale("OTHER") is policy.default_sale


def test_a_reference_is_unique_over_installations() -> None:
    assert POLICY.reference("X1") == "0b1c2d3e-X1"
    assert POLICY.reference("X1") != replace(POLICY, installation="another one").reference("X1")
