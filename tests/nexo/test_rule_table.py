"""The table of rules is complete and says what it must."""

from __future__ import annotations

import re

from nexo_bridge.nexo.explain import RULES as SCHEMA_RULES
from nexo_bridge.nexo.rule_table import GROUPS, RULES
from tests.nexo.rule_cases import CASES


def test_every_rule_is_broken_by_a_case_of_the_tests() -> None:
    assert {case.rule for case in CASES} == set(RULES)


def test_ids_are_unique_ordered_and_of_one_form() -> None:
    ids = [rule.id for _, rules in GROUPS for rule in rules]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"NX-\d{3}", id_) for id_ in ids)
    assert not set(ids) & set(SCHEMA_RULES)


def test_every_rule_has_a_sentence_an_example_and_a_fix() -> None:
    for rule in RULES.values():
        for text in (rule.says, rule.wrong, rule.fix):
            assert text
            assert text == text.strip()
            assert text.isprintable()
            assert not text.endswith(".")
        assert len(rule.says) < 260
