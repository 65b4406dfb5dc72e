"""Rules of single elements, each broken in a sample."""

from __future__ import annotations

import pytest

from nexo_bridge.nexo import body_rules, codec
from nexo_bridge.nexo.elements import slots
from nexo_bridge.nexo.messages import Input, InputData, MenuEntry, OutputContent
from nexo_bridge.nexo.rule_table import RULES
from tests.nexo import corpus
from tests.nexo.rule_cases import DEVICE_CASES, PAYMENT_CASES, RESPONSE_CASES, SERVICE_CASES, Case

BODY_CASES = (*PAYMENT_CASES, *SERVICE_CASES, *RESPONSE_CASES, *DEVICE_CASES)


@pytest.mark.parametrize("case", BODY_CASES, ids=lambda case: f"{case.rule}-{case.sample}")
def test_a_broken_rule_is_found_at_its_place(case: Case) -> None:
    text = corpus.sample(case.sample, case.version).decode()
    for old, new in case.changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    found = [one for one in corpus.read(text.encode(), case.version)[1] if one.rule == case.rule]
    assert found, corpus.read(text.encode(), case.version)[1]
    assert found[0].path.endswith(case.at)
    assert found[0].line == codec.parse(text.encode()).line(found[0].path) > 0
    assert found[0].warning is RULES[case.rule].warning


def test_a_batch_is_checked_item_by_item() -> None:
    text = corpus.sample("batch-request").decode().replace('RequestedAmount="14.00"', 'RequestedAmount="0"')
    (found,) = corpus.read(text.encode())[1]
    assert found.rule == "NX-032"
    assert found.path == (
        "/SaleToPOIRequest/BatchRequest/TransactionToPerform[1]/PaymentRequest/PaymentTransaction/AmountsReq"
        "/@RequestedAmount"
    )


def test_the_tables_name_fields_that_exist() -> None:
    fields = {slot.field for slot in slots(OutputContent)}
    assert set(body_rules.CONTENT_OF_FORMAT.values()) <= fields
    assert {slot.field for slot in slots(MenuEntry)} & set(body_rules.CONTENT_OF_FORMAT.values())
    assert set(body_rules.ANSWER_FIELDS) == {slot.field for slot in slots(Input)} - {"input_command"}
    answers = {field for fields in body_rules.ANSWERS_OF_COMMAND.values() for field in fields}
    assert answers == set(body_rules.ANSWER_FIELDS)
    assert set(body_rules.COMMANDS_OF_OPTION) <= {slot.field for slot in slots(InputData)}
    commands = {command for commands in body_rules.COMMANDS_OF_OPTION.values() for command in commands}
    assert commands <= set(body_rules.ANSWERS_OF_COMMAND)


def test_a_secret_is_not_shown() -> None:
    text = corpus.sample("input-response").decode()
    text = text.replace("<ConfirmedFlag>true</ConfirmedFlag>", "<DigitInput>739105</DigitInput>")
    (found,) = corpus.read(text.encode())[1]
    assert found.rule == "NX-087"
    assert found.found == "DigitInput for 'GetConfirmation'"
