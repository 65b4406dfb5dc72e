"""Writes the page of rules from the table: ``python -m nexo_bridge.nexo.rules_page > docs/nexo-rules.md``."""

from __future__ import annotations

import sys

from nexo_bridge.nexo.explain import RULES as SCHEMA_RULES
from nexo_bridge.nexo.json_form import RULES as JSON_RULES
from nexo_bridge.nexo.rule import Rule
from nexo_bridge.nexo.rule_table import GROUPS

_HEAD = """\
# The rules a message is checked against

Written by `python -m nexo_bridge.nexo.rules_page` from `nexo_bridge/nexo/rule_table.py`; a test checks that it is
current. Change the table, not this page.

A message may be valid by the XSD and still mean nothing. What comes in and what goes out is therefore checked
against the rules `NX-…` too. A broken rule refuses the message with `MessageFormat` and names the rule, the line and
the path. A **warning** is a rule that published examples of the protocol break: it is shown, and never refuses.
Responses and events repeat identifiers of other messages, good or bad; what is wrong with those is a warning there.
`nexo-bridge validate FILE` shows both. Ids are stable; a number that is missing was never given or is gone.
The rules `XSD-…` at the end are the kinds of fault the schema finds, the rules `JSON-…` those that only a message
written in JSON (`json.md`) can have besides; they have no warnings.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for title, rules in GROUPS:
        parts.append(f"\n## {title}\n")
        parts += [_entry(rule) for rule in rules]
    parts.append("\n## Schema\n")
    parts += [_entry(Rule(id_, rule.says, rule.wrong, rule.fix)) for id_, rule in SCHEMA_RULES.items()]
    parts.append("\n## JSON\n")
    parts += [_entry(Rule(id_, rule.says, rule.wrong, rule.fix)) for id_, rule in JSON_RULES.items()]
    return "".join(parts)


def _entry(rule: Rule) -> str:
    warning = ""
    if rule.warning:
        warning = " (warning)"
    elif rule.repeated:
        warning = " (warning in responses and events)"
    wrong = f"- wrong: `{rule.wrong}`\n" if rule.wrong else ""
    return f"\n### {rule.id}{warning}\n\n{rule.says}.\n\n{wrong}- instead: {_code(rule.fix)}\n"


def _code(fix: str) -> str:
    """Markdown would take bare tags for HTML."""
    return fix.replace("<", r"\<")


if __name__ == "__main__":
    sys.stdout.write(page())
