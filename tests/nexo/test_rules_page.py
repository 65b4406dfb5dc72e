"""The committed page is the one the table makes."""

from __future__ import annotations

import runpy

import pytest

from nexo_bridge.nexo import rules_page
from nexo_bridge.nexo.explain import RULES as SCHEMA_RULES
from nexo_bridge.nexo.json_form import RULES as JSON_RULES
from nexo_bridge.nexo.rule_table import RULES
from tests.nexo import corpus


def test_the_page_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    committed = (corpus.ROOT / "docs" / "nexo-rules.md").read_text(encoding="utf-8")
    assert committed == rules_page.page(), "run: python -m nexo_bridge.nexo.rules_page > docs/nexo-rules.md"
    runpy.run_path(rules_page.__file__, run_name="__main__")
    assert capsys.readouterr().out == committed


def test_every_rule_has_its_heading() -> None:
    headings = [line.split()[1] for line in rules_page.page().splitlines() if line.startswith("### ")]
    assert headings == [*RULES, *SCHEMA_RULES, *JSON_RULES]
