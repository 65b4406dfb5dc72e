"""The limits that rules state."""

from __future__ import annotations

from nexo_bridge.nexo import rule


def test_what_others_publish_is_within_what_is_refused() -> None:
    assert rule.POIID_PUBLISHED_LIMIT < rule.ADDRESS_LIMIT
    assert rule.TRANSACTION_ID_PUBLISHED_LIMIT < rule.ID_LIMIT
    assert rule.FIRST_YEAR < rule.LAST_YEAR


def test_a_rule_refuses_unless_it_says_otherwise() -> None:
    plain = rule.Rule("NX-999", "says", "wrong", "fix")
    assert not plain.warning
    assert not plain.repeated
